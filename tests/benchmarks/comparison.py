"""Time of what a study does after the gradients: `python -m tests.benchmarks.comparison [models] [pixels] [threads]`.

Prints milliseconds per image and method: eleven poolings (by pixel, by segments in two orders, and four controls in two
orders), each with its two nulls, for every pair of models.
"""

import statistics
import sys
import time
from collections.abc import Callable
from math import comb

import torch

from lightning_spx.evaluation.maps.pooling_lists import make_poolings
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.evaluation.statistics.comparison import ComparisonSettings, compare
from lightning_spx.evaluation.statistics.image_facts import ImageFacts
from lightning_spx.superpixels import Slic

NUM_IMAGES = 8
TURNS = 3


def milliseconds(call: Callable[[], object]) -> float:
    """Median of a few turns, per image."""
    call()
    taken = []
    for _ in range(TURNS):
        began = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - began) / NUM_IMAGES)
    return statistics.median(taken)


def main(num_models: int = 8, side: int = 224, num_threads: int = 1) -> None:
    """Print the times of segments, controls and comparison."""
    torch.set_num_threads(num_threads)
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(NUM_IMAGES, 3, side // 8, side // 8, generator=generator)
    images = torch.nn.functional.interpolate(coarse, size=side, mode="bilinear").clamp(0, 1)
    attributions = torch.randn(num_models, NUM_IMAGES, 3, side, side, generator=generator)
    index, permutation = torch.arange(NUM_IMAGES), derangement(NUM_IMAGES, 0)
    preds = torch.zeros(num_models, NUM_IMAGES, dtype=torch.int64)
    known = ImageFacts(index, preds[0], preds, None, permutation)
    segments = {"Slic": Slic(n_segments=200)(images)}
    poolings = make_poolings(segments, index, permutation, 0)
    print(f"{num_models} models, {comb(num_models, 2)} pairs, {side} px, {num_threads} threads, ms per image")
    print(f"  Slic {milliseconds(lambda: Slic(n_segments=200)(images)):9.1f}")
    print(f"  controls {milliseconds(lambda: make_poolings(segments, index, permutation, 0)):5.1f}")

    def compared() -> object:
        settings = ComparisonSettings(magnitudes=["after", "before"], has_one_order=False, seed=0)
        return compare(attributions, poolings, known, settings, distances=["l2"])

    print(f"  compare {milliseconds(compared):6.1f} for each method")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
