import math

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_spx.superpixels import (
    Voronoi,
    achievable_accuracy,
    boundary_recall,
    compactness,
    undersegmentation_error,
)

SEGMENTS = Voronoi(n_segments=12, seed=1)(torch.zeros(2, 3, 15, 18))
TRUTH = Voronoi(n_segments=5, seed=2)(torch.zeros(2, 3, 15, 18))


def neighbors(labels: np.ndarray, y: int, x: int) -> list[tuple[int, int]]:
    height, width = labels.shape
    around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
    return [(v, u) for v, u in around if 0 <= v < height and 0 <= u < width]


def border_pixels(labels: np.ndarray) -> set[tuple[int, int]]:
    places = np.ndindex(*labels.shape)
    return {(y, x) for y, x in places if any(labels[place] != labels[y, x] for place in neighbors(labels, y, x))}


@pytest.mark.parametrize("tolerance", [0, 1, 2])
def test_boundary_recall_equals_a_loop(tolerance: int) -> None:
    own, true = border_pixels(SEGMENTS[0].numpy()), border_pixels(TRUTH[0].numpy())
    steps = range(-tolerance, tolerance + 1)
    hits = sum(any((y + dy, x + dx) in own for dy in steps for dx in steps) for y, x in true)
    assert boundary_recall(SEGMENTS, TRUTH, tolerance)[0].item() == pytest.approx(hits / len(true))


def test_overlap_numbers_equal_a_loop() -> None:
    ids, truth = SEGMENTS[0].numpy(), TRUTH[0].numpy()
    leak = best = 0
    for segment in np.unique(ids):
        inside = ids == segment
        shares = [int((inside & (truth == label)).sum()) for label in np.unique(truth)]
        best += max(shares)
        leak += sum(min(share, int(inside.sum()) - share) for share in shares if share)
    assert undersegmentation_error(SEGMENTS, TRUTH)[0].item() == pytest.approx(leak / ids.size)
    assert achievable_accuracy(SEGMENTS, TRUTH)[0].item() == pytest.approx(best / ids.size)


def test_compactness_by_hand() -> None:
    # a 2x4 rectangle (perimeter 12) and a 2x2 square (perimeter 8) on a strip of 2x6
    ids = torch.tensor([[[0, 0, 0, 0, 1, 1]] * 2])
    expected = (8 * 4 * math.pi * 8 / 144 + 4 * 4 * math.pi * 4 / 64) / 12
    assert compactness(ids).item() == pytest.approx(expected, rel=1e-6)
    line = torch.zeros(1, 1, 9, dtype=torch.int64)
    assert compactness(line).item() == pytest.approx(4 * math.pi * 9 / 20**2)


def test_a_perfect_partition() -> None:
    ids = TRUTH[:1]
    assert boundary_recall(ids, ids).item() == 1
    assert undersegmentation_error(ids, ids).item() == 0
    assert achievable_accuracy(ids, ids).item() == 1
    whole = torch.zeros_like(ids)
    assert boundary_recall(ids, whole).isnan().item()


def test_images_of_a_batch_do_not_mix() -> None:
    for values, alone in (
        (boundary_recall(SEGMENTS, TRUTH), boundary_recall(SEGMENTS[1:], TRUTH[1:])),
        (undersegmentation_error(SEGMENTS, TRUTH), undersegmentation_error(SEGMENTS[1:], TRUTH[1:])),
        (achievable_accuracy(SEGMENTS, TRUTH), achievable_accuracy(SEGMENTS[1:], TRUTH[1:])),
        (compactness(SEGMENTS), compactness(SEGMENTS[1:])),
    ):
        assert torch.equal(values[1:], alone)


def refused(truth: Tensor, expected: str) -> None:
    for function in (boundary_recall, undersegmentation_error, achievable_accuracy):
        with pytest.raises(ValueError, match=expected):
            function(SEGMENTS, truth)


def test_bad_ground_truth_is_refused() -> None:
    refused(TRUTH[:, :3], "`truth` to be int64 of shape")
    refused(TRUTH.float(), "`truth` to be int64 of shape")
    refused(TRUTH - 1, "`truth` to be non-negative")
