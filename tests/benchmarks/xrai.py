"""Time and memory of XRAI's maps beside the authors' package: `python -m tests.benchmarks.xrai [photos]`.

Both rank the same attribution of the same published segments of photos of 224 pixels, in one thread. The photos are
those of `$SPX_DATA/imagenet` (or `../shared/data/imagenet`).
"""

import os
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from saliency.core.xrai import XRAI
from skimage.morphology import dilation
from torch import Tensor

from lightning_spx.attribution.xrai import published_segmenters
from lightning_spx.attribution.xrai_regions import region_map, regions_of

T = TypeVar("T")

SIZE = 224
DILATION = 5
REPEATS = 5
# as many models as a study has
TOGETHER = 8


def timed(call: Callable[[], T], repeats: int) -> tuple[T, float]:
    """Return a result and the median of a few processor times in milliseconds."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        result = call()
        taken.append(1000 * (time.process_time() - start))
    return result, statistics.median(taken)


def peak(call: Callable[[], object]) -> float:
    """Return the most megabytes that NumPy and Python hold at once."""
    tracemalloc.start()
    call()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / 2**20


def masks_of(segments: Tensor) -> list[NDArray[np.bool_]]:
    """Unpack and dilate segments as the package does with its own."""
    y, x = np.mgrid[-DILATION : DILATION + 1, -DILATION : DILATION + 1]
    disk = x**2 + y**2 <= DILATION**2
    maps = segments.numpy()
    return [dilation(each == label, footprint=disk) for each in maps for label in range(each.max() + 1)]


def measured(pixels: Tensor, attributions: Tensor) -> dict[str, float]:
    """Return times in milliseconds per map, their ratios, and memory in MiB.

    Args:
        pixels: one photo in [0, 1], `(1, 3, H, W)`.
        attributions: of several models, `(M, H, W)` float64.
    """
    segments = torch.cat([segmenter(pixels) for segmenter in published_segmenters()])
    masks, of_masks = timed(lambda: masks_of(segments), 1)
    _, of_regions = timed(lambda: regions_of(segments, DILATION), REPEATS)
    (theirs, _), of_theirs = timed(lambda: XRAI._xrai(attributions[0].numpy(), masks), 1)
    # new regions each time, because tables are made by their first map
    anew = iter([regions_of(segments, DILATION) for _ in range(REPEATS)])
    ours, of_ours = timed(lambda: region_map(attributions[:1], next(anew)), REPEATS)
    regions = regions_of(segments, DILATION)
    _, of_many = timed(lambda: region_map(attributions, regions), REPEATS)
    of_many /= len(attributions)
    held = [regions.atoms, regions.membership, regions.sizes]
    return {
        "number of regions": len(masks),
        "their masks": of_masks,
        "our regions": of_regions,
        "their map": of_theirs,
        "our map": of_ours,
        f"our map of {len(attributions)}": of_many,
        "ratio of maps": of_theirs / of_ours,
        f"ratio of {len(attributions)} maps": of_theirs / of_many,
        "ratio with masks": (of_masks + of_theirs) / (of_regions + of_ours),
        "largest difference": float(np.abs(ours[0].numpy() - theirs).max()),
        "their masks, MiB": sum(mask.nbytes for mask in masks) / 2**20,
        "our regions, MiB": sum(each.nbytes for each in held) / 2**20,
        "their map, peak MiB": peak(lambda: XRAI._xrai(attributions[0].numpy(), masks)),
    }


def main(num_photos: int = 20) -> None:
    """Print the medians over photos."""
    torch.set_num_threads(1)
    folder = Path(os.environ.get("SPX_DATA", "../shared/data")) / "imagenet" / "images"
    paths = sorted(folder.rglob("*.*"))
    generator = torch.Generator().manual_seed(0)
    rows = []
    for path in paths[:: len(paths) // num_photos][:num_photos]:
        photo = np.array(Image.open(path).convert("RGB").resize((SIZE, SIZE)))
        pixels = torch.from_numpy(photo).permute(2, 0, 1)[None] / 255
        noise = torch.randn(TOGETHER, SIZE, SIZE, generator=generator, dtype=torch.float64)
        rows.append(measured(pixels, noise * pixels[0].std(0)))
    print(f"{len(rows)} photos of {SIZE} px, 1 thread, ms per map: median (least to most)")
    for name in rows[0]:
        values = [row[name] for row in rows]
        print(f"  {name:<20} {statistics.median(values):9.3g}  ({min(values):.3g} to {max(values):.3g})")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
