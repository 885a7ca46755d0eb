#!/usr/bin/env bash
# torch 2.14.1: a copy of a state dict made of its items does not load where the state dict does.
#
# `state_dict()` returns an OrderedDict with an attribute, `_metadata`: the version of each module's form of state. A dict
# comprehension (moving tensors to a device, taking a prefix off the names), `dict(state)` and `state.copy()` lose it,
# `copy.copy(state)`, `torch.save` and `torch.load` keep it. Most layers load all the same. A dynamically quantised linear layer then looks for
# the names of its first version and ends in a KeyError, which says nothing of versions.
#
# Seen: the state dict, copy.copy() of it and what was saved and loaded load; each of the other three copies raises
# KeyError('0.weight').
# What we do: lightning_spx/models/weights.py carries the versions along (`with_versions`).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet torch==2.14.1 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON'
import copy
import warnings

warnings.filterwarnings("ignore")
import torch
from torch import nn


def network() -> nn.Module:
    return torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 2)), {nn.Linear})


state = network().state_dict()
torch.save(state, "state.pt")
copies = {
    "itself": state,
    "comprehension": {name: value for name, value in state.items()},
    "dict()": dict(state),
    ".copy()": state.copy(),
    "copy.copy()": copy.copy(state),
    "save and load": torch.load("state.pt", weights_only=True),
}
found = {}
for name, each in copies.items():
    try:
        network().load_state_dict(each)
        found[name] = "loads"
    except KeyError as error:
        found[name] = f"KeyError({error})"
print(found)
lost = "KeyError('0.weight')"
assert found == {
    "itself": "loads", "comprehension": lost, "dict()": lost, ".copy()": lost, "copy.copy()": "loads",
    "save and load": "loads",
}, "copies of a state dict load otherwise now"
print("as written above")
PYTHON
