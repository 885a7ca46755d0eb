"""Time of what is left of maps' agreement: `python -m tests.benchmarks.residuals`.

Prints seconds of `compare` without and with references, of two models on 60 images of 32 px and 20 of 160 px with SLIC,
and of a joint bilateral filter beside it, in two orders with all controls.
"""

import time

import torch

from lightning_spx.evaluation.maps.guides import Guidance, Guide
from lightning_spx.evaluation.maps.pooling_lists import make_poolings, reference_poolings
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.evaluation.statistics.comparison import ComparisonSettings, compare
from lightning_spx.evaluation.statistics.image_facts import ImageFacts
from lightning_spx.evaluation.statistics.residuals import References
from lightning_spx.superpixels import JointBilateral, Slic


def main() -> None:
    """Print processor time, which another program's load does not change."""
    torch.set_num_threads(1)
    for count, side, names in ((60, 32, "both"), (60, 32, "Slic"), (20, 160, "Slic"), (20, 160, "both")):
        draw = torch.Generator().manual_seed(0)
        coarse = torch.rand(count, 3, side // 8, side // 8, generator=draw)
        images = torch.nn.functional.interpolate(coarse, size=side, mode="bilinear").clamp(0, 1)
        maps = torch.randn(2, count, 3, side, side, generator=draw)
        index, permutation = torch.arange(count), derangement(count, 0)
        labels = torch.zeros(count, dtype=torch.int64)
        known = ImageFacts(index, labels, labels.expand(2, -1), None, permutation)
        guides: dict[str, Guidance] = {"Slic": Slic(n_segments=100)(images)}
        if names == "both":
            guides["JointBilateral"] = Guide(JointBilateral(), images)
        poolings = make_poolings(guides, index, permutation, 0)
        for pooling in poolings:
            pooling.num_segments()
        settings = ComparisonSettings(magnitudes=["after", "before"], has_one_order=False, seed=0)
        taken = []
        for references in (None, References.of(images)):
            rows = [*poolings, *([] if references is None else reference_poolings(images))]
            began = time.process_time()
            compare(maps, rows, known, settings, distances=["l2"], references=references)
            taken.append(time.process_time() - began)
        print(f"{count} images of {side} px, {names}: {taken[0]:.2f} s without, {taken[1]:.2f} s with", flush=True)


if __name__ == "__main__":
    main()
