"""Time and memory of the filters beside SLIC, and the grid's error: `python -m tests.benchmarks.filters`.

The error needs photos in a folder, `PHOTOS=folder`; times use drawn images without it.
"""

import os
import statistics
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.io import ImageReadMode, decode_image
from torchvision.models import resnet18
from torchvision.transforms.functional import center_crop, resize

from lightning_spx.attribution import SmoothGrad
from lightning_spx.superpixels import GuidedFilter, ImagePooling, JointBilateral, Slic, bilateral_pool
from lightning_spx.superpixels.bilateral_pairs import pair_sums

POOLINGS: dict[str, ImagePooling] = {"Slic": Slic(), "bilateral": JointBilateral(), "guided": GuidedFilter()}
REPEATS = 7


def median_seconds(call: Callable[[], object], repeats: int = REPEATS) -> float:
    call()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def peak_mib(call: Callable[[], object]) -> float:
    """Return the peak of what NumPy allocates, where the loops keep their grids."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def photos(side: int, number: int) -> Tensor:
    folder = Path(os.environ.get("PHOTOS", ""))
    paths = sorted(folder.rglob("*.JPEG"))[3::100][:number] if os.environ.get("PHOTOS") else []
    if not paths:
        small = torch.rand(number, 3, 7, 7, generator=torch.Generator().manual_seed(0))
        return interpolate(small, size=side, mode="bicubic").clamp(0, 1)
    read = [decode_image(str(path), ImageReadMode.RGB) for path in paths]
    return torch.stack([center_crop(resize(each, [side]), [side, side]).float() / 255 for each in read])


def times(number: int = 8) -> None:
    print(f"{'px':>4} {'pooling':>10} {'ms/image':>9} {'ratio':>6} {'MiB':>6}")
    for side in (32, 64, 160, 224):
        images = photos(side, number)
        attribution = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
        calls = {name: partial(each.pool, attribution, images) for name, each in POOLINGS.items()}
        taken = {name: median_seconds(call) / len(images) for name, call in calls.items()}
        for name, call in calls.items():
            ratio = taken[name] / taken["Slic"]
            print(f"{side:>4} {name:>10} {taken[name] * 1e3:>9.2f} {ratio:>6.2f} {peak_mib(call):>6.1f}", flush=True)


def share_of_smoothgrad() -> None:
    images, method = photos(224, 1), SmoothGrad()
    network = resnet18(weights=None, num_classes=10).eval()
    whole = median_seconds(partial(method.attribute, network, images, torch.zeros(1, dtype=torch.int64)), repeats=1)
    attribution = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    for name, pooling in POOLINGS.items():
        share = median_seconds(partial(pooling.pool, attribution, images)) / whole
        print(f"{name}: {share:.2%} of SmoothGrad-{method.num_samples} of a ResNet-18 at 224 px, {whole:.1f} s")


def errors(side: int, number: int = 4) -> None:
    """Print the relative root mean square error of the grid against all pairs, image by image."""
    images, generator = photos(side, number), torch.Generator().manual_seed(0)
    white = torch.randn(images.shape, generator=generator)
    edges = images.diff(dim=3, prepend=images[..., :1]).abs().sum(1, keepdim=True)
    smooth = interpolate(torch.randn(len(images), 3, 6, 6, generator=generator), size=side, mode="bicubic")
    maps = {"white noise": white, "noise on edges": white * (edges + 0.02), "smooth": smooth}
    given = torch.cat([torch.ones_like(images[:, :1]), *maps.values()], 1)
    sums = pair_sums(given, images.double(), 0.1, side / 8)
    exact = torch.split((sums[:, 1:] / sums[:, :1]).float(), 3, 1)
    for (name, attribution), expected in zip(maps.items(), exact, strict=True):
        apart = (bilateral_pool(attribution, images) - expected).flatten(1).norm(dim=1)
        found = apart / expected.flatten(1).norm(dim=1)
        print(f"{side} px, {name}: median {found.median():.2%}, largest {found.max():.2%}", flush=True)


def main() -> None:
    torch.set_num_threads(1)
    times()
    for side in (96, 160):
        errors(side)
    share_of_smoothgrad()


if __name__ == "__main__":
    main()
