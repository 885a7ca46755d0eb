#!/usr/bin/env bash
# A network that timm 1.0.31 makes for one channel and 64 px says of itself that it takes three channels of 224 px.
#
# - `create_model(..., in_chans=1, img_size=64)` works, and the network takes (N, 1, 64, 64).
# - `resolve_model_data_config(network)` of the same object gives input_size (3, 224, 224) and three means and standard
#   deviations, and the transform that timm makes of it raises an error for a gray photo.
#
# Seen: config (3, 224, 224) with mean (0.5, 0.5, 0.5); the transform of a 64 px gray photo: RuntimeError.
# What we do: models/said_normalization.py takes one number of three equal ones for a network with another number of
# channels, and refuses three different ones.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet timm==1.0.31 torch==2.14.1 torchvision==0.29.1
cd "$folder"
env/bin/python - <<'PYTHON'
import timm
import torch
from PIL import Image

network = timm.create_model("vit_tiny_patch16_224", in_chans=1, img_size=64, num_classes=2).eval()
assert network(torch.rand(1, 1, 64, 64)).shape == (1, 2)
config = timm.data.resolve_model_data_config(network)
print("config:", config["input_size"], config["mean"], config["std"])
assert config["input_size"] == (3, 224, 224), "the configuration follows the network now"
assert config["mean"] == (0.5, 0.5, 0.5)
try:
    timm.data.create_transform(**config, is_training=False)(Image.new("L", (64, 64), 128))
except RuntimeError as error:
    print("transform of a gray photo:", type(error).__name__, str(error)[:60])
else:
    raise SystemExit("the transform takes a gray photo now")
print("as written above")
PYTHON
