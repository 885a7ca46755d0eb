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
from PIL import Image
from saliency.core import xrai
from skimage.morphology import dilation, disk
from torch import Tensor

from lightning_spx.attribution.xrai import published_segmenters
from lightning_spx.attribution.xrai_regions import region_map, regions_of

T = TypeVar("T")

SIZE = 224
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


def masks_of(segments: Tensor) -> list[np.ndarray]:
    """Unpack and dilate segments as the package does with its own."""
    maps = segments.numpy()
    footprint = disk(5)
    return [dilation(each == label, footprint=footprint) for each in maps for label in range(each.max() + 1)]


def main(num_photos: int = 20) -> None:
    """Print the times of each photo and the medians."""
    torch.set_num_threads(1)
    folder = Path(os.environ.get("SPX_DATA", "../shared/data")) / "imagenet" / "images"
    paths = sorted(folder.rglob("*.*"))
    generator = torch.Generator().manual_seed(0)
    rows = []
    for path in paths[:: len(paths) // num_photos][:num_photos]:
        photo = np.array(Image.open(path).convert("RGB").resize((SIZE, SIZE)))
        pixels = torch.from_numpy(photo).permute(2, 0, 1)[None] / 255
        segments = torch.cat([segmenter(pixels) for segmenter in published_segmenters()])
        attributions = torch.randn(TOGETHER, SIZE, SIZE, generator=generator, dtype=torch.float64) * pixels[0].std(0)
        masks, time_of_masks = timed(lambda: masks_of(segments), 1)
        regions, time_of_regions = timed(lambda: regions_of(segments, dilation=5), 5)
        (theirs, _), time_of_theirs = timed(lambda: xrai.XRAI._xrai(attributions[0].numpy(), masks), 1)
        # of regions whose tables are not there yet, as of each new image
        ours, time_of_ours = timed(lambda: region_map(attributions[:1], regions_of(segments, dilation=5)), 5)
        time_of_ours -= time_of_regions
        _, time_of_many = timed(lambda: region_map(attributions, regions), 3)
        error = float(np.abs(ours[0].numpy() - theirs).max())
        rows.append(
            {
                "regions": len(masks),
                "masks ms": time_of_masks,
                "our regions ms": time_of_regions,
                "map ms": time_of_theirs,
                "our map ms": time_of_ours,
                "ours of 8 ms": time_of_many / TOGETHER,
                "ratio": time_of_theirs / time_of_ours,
                "ratio of 8": time_of_theirs * TOGETHER / time_of_many,
                "ratio with masks": (time_of_masks + time_of_theirs) / (time_of_regions + time_of_ours),
                "largest difference": error,
                "masks MiB": peak(lambda: masks_of(segments)),
                "our regions MiB": sum(each.nbytes for each in (regions.atoms, regions.membership, regions.sizes))
                / 2**20,
            }
        )
        print("  ".join(f"{name} {value:.3g}" for name, value in rows[-1].items()), flush=True)
    print(f"medians of {len(rows)} photos")
    for name in rows[0]:
        values = [row[name] for row in rows]
        print(f"  {name:>20} {statistics.median(values):9.3g}   ({min(values):.3g} to {max(values):.3g})")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
