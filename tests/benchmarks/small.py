"""CPU time of S-Gradient for 64 images of 32 px: `python -m tests.benchmarks.small [--other CHECKOUT] [--turns N]`.

The callback's usual case: `Gradient()`, pooled over the segments of `Slic`, as a saliency map, with one thread. With
another checkout of the package, each turn measures both in child processes; the ratio is the median over turns of the
other's time over this one's.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import resnet18

from lightning_spx.attribution import Gradient, saliency_map
from lightning_spx.models import SmallResNet
from lightning_spx.superpixels import Slic, segment_pool

NUM_IMAGES, SIDE, NUM_CLASSES, CALLS = 64, 32, 10, 7
HERE = Path(__file__).parents[2]


def tiny_network() -> nn.Module:
    """Return three convolutions, the least that one trains."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, NUM_CLASSES),
    )


def cifar_network() -> nn.Module:
    """Return a ResNet-18 that does not reduce its images at once."""
    network: nn.Module = resnet18(num_classes=NUM_CLASSES)
    network.conv1, network.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    return network


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "tiny CNN": tiny_network,
    "SmallResNet": lambda: SmallResNet(num_classes=NUM_CLASSES),
    "ResNet-18 for CIFAR": cifar_network,
}


def milliseconds(call: Callable[[], object], calls: int = CALLS) -> float:
    """Return the median CPU time of a call after the first."""
    taken = []
    for _ in range(calls + 1):
        began = time.process_time()
        call()
        taken.append(1000 * (time.process_time() - began))
    return statistics.median(taken[1:])


def bare(network: nn.Module, images: Tensor, target: Tensor) -> Tensor:
    """Return the gradient of one forward and backward pass."""
    variable = images.clone().requires_grad_()
    logits = network(variable).gather(1, target[:, None])
    return torch.autograd.grad(logits.sum(), variable)[0]


def measure() -> dict[str, float]:
    """Return the milliseconds of every step."""
    torch.set_num_threads(1)
    draw = torch.Generator().manual_seed(0)
    coarse = torch.rand(NUM_IMAGES, 3, SIDE // 4, SIDE // 4, generator=draw)
    images = nn.functional.interpolate(coarse, size=SIDE, mode="bilinear")
    target = torch.arange(NUM_IMAGES) % NUM_CLASSES
    slic, method = Slic(n_segments=50), Gradient()
    segments = slic(images)
    found = {}
    for name, build in NETWORKS.items():
        torch.manual_seed(0)
        network = build().eval()

        def whole(network: nn.Module = network) -> Tensor:
            return saliency_map(segment_pool(method.attribute(network, images, target), segments))

        # its passes take seconds
        calls = 1 if name.startswith("ResNet") else CALLS
        found[f"{name}, S-Gradient"] = milliseconds(whole, calls)
        found[f"{name}, Gradient"] = milliseconds(partial(method.attribute, network, images, target), calls)
        found[f"{name}, bare passes"] = milliseconds(partial(bare, network, images, target), calls)
    attribution = torch.randn(images.shape, generator=draw)
    found["pooling and map"] = milliseconds(lambda: saliency_map(segment_pool(attribution, segments)))
    found["Slic"] = milliseconds(lambda: slic(images))
    return found


def in_a_child(checkout: Path) -> dict[str, float]:
    """Measure with the package of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", str(Path(__file__).resolve()), "--measure"]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(other: Path | None, turns: int) -> None:
    """Print a line for each step."""
    own: list[dict[str, float]] = []
    others: list[dict[str, float]] = []
    for turn in range(turns):
        # who comes first changes, too
        for checkout in (HERE, other) if turn % 2 == 0 else (other, HERE):
            if checkout is not None:
                (own if checkout is HERE else others).append(in_a_child(checkout))
    for what in own[0]:
        line = f"{what}: {statistics.median(turn[what] for turn in own):8.1f} ms"
        if others:
            ratio = statistics.median(two[what] / one[what] for one, two in zip(own, others, strict=True))
            line += f", the other {statistics.median(turn[what] for turn in others):8.1f} ms, {ratio:.2f} times"
        print(line)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--other", type=Path)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--measure", action="store_true")
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure()))
    else:
        main(given.other, given.turns)
