#!/usr/bin/env bash
# Guided backpropagation (Springenberg et al. 2015) changes the backward pass of every ReLU. captum's `GuidedBackprop` and
# pytorch-grad-cam's `GuidedBackpropReLUModel` replace modules: where a network calls `torch.nn.functional.relu`, or has
# ReLU6 modules in place of ReLU, nothing is replaced, nothing is said, and what is returned is the plain gradient under
# another name. For nn.ReLU modules both are right.
#
# Versions: torch 2.14.1, torchvision 0.29.1, captum 0.9.0, grad-cam 1.5.7 (Python 3.11)
# Seen: the largest distance from the plain gradient, in units of its largest value, is 0.39 in both libraries for modules
# nn.ReLU, and 0.0 in both for functional relu and for modules nn.ReLU6.
# What we do: attribution/guided.py guides the nodes of the autograd graph, and refuses other rectifiers in one line.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.14.1 torchvision==0.29.1 captum==0.9.0 grad-cam==1.5.7
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import torch
from captum.attr import GuidedBackprop
from pytorch_grad_cam import GuidedBackpropReLUModel
from torch import nn
from torch.nn import functional

warnings.simplefilter("ignore")
layers = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8, 4)


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = layers

    def forward(self, x):
        x = functional.relu(self.first(x))
        return self.head(functional.relu(self.second(x)).mean((2, 3)))


class OfModules(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.first, self.second, self.head = layers
        self.one, self.two = kind(), kind()

    def forward(self, x):
        x = self.one(self.first(x))
        return self.head(self.two(self.second(x)).mean((2, 3)))


torch.manual_seed(0)
for layer in layers:
    layer.reset_parameters()
images = torch.rand(1, 3, 16, 16)


def gradient(network):
    x = images.clone().requires_grad_()
    return torch.autograd.grad(network(x)[0, 1], x)[0]


def distances(network):
    network.eval()
    plain = gradient(network)
    by_captum = GuidedBackprop(network).attribute(images.clone().requires_grad_(), target=1)
    by_cam = GuidedBackpropReLUModel(network, "cpu")(images.clone(), target_category=1)
    by_cam = torch.from_numpy(by_cam).permute(2, 0, 1)[None]
    scale = plain.abs().max()
    return [round(float((each - plain).abs().max() / scale), 2) for each in (by_captum, by_cam)]


names = "modules nn.ReLU", "functional relu", "modules nn.ReLU6"
found = {name: distances(each) for name, each in zip(names, (OfModules(nn.ReLU), Functional(), OfModules(nn.ReLU6)))}
for name, (captum, cam) in found.items():
    print(f"{name}: distance from the plain gradient, captum {captum}, grad-cam {cam}")
assert min(found["modules nn.ReLU"]) > 0.1
assert found["functional relu"] == [0.0, 0.0]
assert found["modules nn.ReLU6"] == [0.0, 0.0]
print("as written above")
PYTHON
