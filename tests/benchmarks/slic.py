"""Quality and time of Slic beside scikit-image's SLIC of equally many segments: `python -m tests.benchmarks.slic`.

Quality needs the photos and drawn borders of BSDS500 in `$SPX_DATA/bsds500` (or `../shared/data/bsds500`); without
them, or with NUM_IMAGES=0, there are times alone.
"""

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lightning_spx.evaluation.tradeoff.quality import partition_quality
from lightning_spx.superpixels import ScikitSlic, Slic
from lightning_spx.superpixels.image_key import eight_bit

NUMBERS = ["boundary_recall", "undersegmentation_error", "achievable_accuracy", "compactness"]


def measured(segmenter: Slic | ScikitSlic, folder: Path, num_images: int) -> pd.Series:
    return partition_quality({"it": segmenter}, folder, num_images=num_images).iloc[0]


def equally_many(wanted: float, n_segments: int, folder: Path, num_images: int) -> pd.Series:
    """Interpolate scikit-image's numbers at a mean number of segments: its grid comes in steps, so that none fits."""
    asked = sorted({round(n_segments * factor) for factor in (0.6, 0.8, 1.0, 1.25, 1.6)})
    rows = pd.DataFrame([measured(ScikitSlic(n), folder, num_images) for n in asked]).sort_values("mean_segments")
    return pd.Series(
        {name: np.interp(wanted, rows["mean_segments"], rows[name]) for name in ["mean_segments", *NUMBERS]}
    )


def seconds(segmenter: Slic | ScikitSlic, images: Tensor, repeats: int = 7) -> float:
    segmenter(images)
    times = []
    for _ in range(repeats):
        start = time.process_time()
        segmenter(images)
        times.append(time.process_time() - start)
    return sorted(times)[repeats // 2] / len(images)


def main() -> None:
    folder = Path(os.environ.get("SPX_DATA", "../shared/data")) / "bsds500"
    num_images = int(os.environ.get("NUM_IMAGES", "200"))
    for n_segments in (100, 200, 400) if folder.is_dir() and num_images else ():
        ours = measured(Slic(n_segments), folder, num_images)
        theirs = equally_many(ours["mean_segments"], n_segments, folder, num_images)
        for name, row in (("Slic", ours), ("scikit-image", theirs)):
            numbers = "  ".join(f"{number} {row[number]:.4f}" for number in NUMBERS)
            print(f"{name:>12} {row['mean_segments']:6.1f} segments  {numbers}", flush=True)
    times()


def times() -> None:
    """Print processor times of one thread at 224 px."""
    torch.set_num_threads(1)
    images = torch.rand(8, 3, 7, 7, generator=torch.Generator().manual_seed(0))
    images = torch.nn.functional.interpolate(images, size=224, mode="bicubic").clamp(0, 1)
    for n_segments in (50, 100, 200, 1000):
        ours_time, theirs_time = seconds(Slic(n_segments), images), seconds(ScikitSlic(n_segments), images)
        start = time.process_time()
        Slic(n_segments).segment(eight_bit(images))
        tensors = (time.process_time() - start) / len(images)
        print(
            f"{n_segments:>5} segments: Slic {ours_time * 1e3:.2f} ms per image, as tensors {tensors * 1e3:.2f}, "
            f"scikit-image {theirs_time * 1e3:.2f}, {torch.get_num_threads()} threads, "
            f"ratio {theirs_time / ours_time:.1f}"
        )


if __name__ == "__main__":
    main()
