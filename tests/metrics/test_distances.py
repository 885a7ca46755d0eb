"""Distances between maps against NumPy and SciPy, pair by pair and image by image."""

from itertools import combinations
from typing import cast, get_args

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cosine
from scipy.stats import spearmanr
from torch import Tensor

from lightning_spx.metrics import Distance, distances, map_distance, pair_distances
from tests.metrics.reference_ssim import reference_ssim

DISTANCES: tuple[Distance, ...] = get_args(Distance)


def random_maps(models: int, images: int, side: int = 12, seed: int = 0) -> Tensor:
    return torch.rand(models, images, side, side + 1, generator=torch.Generator().manual_seed(seed))


def super_pixel_maps(models: int, images: int, side: int = 12, num_segments: int = 9) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    segments = torch.randint(0, num_segments, (images, side, side), generator=generator)
    values = torch.rand(models, images, num_segments, generator=generator)
    maps = values.gather(2, segments.flatten(1).expand(models, -1, -1)).view(models, images, side, side)
    return maps, segments


def slow_distance(first: Tensor, second: Tensor, distance: Distance) -> float:
    a, b = first.double().numpy(), second.double().numpy()
    if distance == "l2":
        return float(np.linalg.norm(a / np.linalg.norm(a) - b / np.linalg.norm(b)))
    if distance == "l2_raw":
        return float(np.sqrt(((a - b) ** 2).sum()))
    if distance == "l1":
        return float(np.abs(a - b).mean())
    if distance == "cosine":
        return float(cosine(a.ravel(), b.ravel()))
    if distance == "spearman":
        return float(np.sqrt(1 - abs(spearmanr(a.ravel(), b.ravel()).statistic)))
    return 1 - reference_ssim(a, b)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("models", [2, 4])
def test_equals_a_slow_loop_over_pairs_and_images(distance: Distance, models: int) -> None:
    maps = random_maps(models, 3)
    expected = [
        [slow_distance(maps[i, n], maps[j, n], distance) for n in range(3)] for i, j in combinations(range(models), 2)
    ]
    torch.testing.assert_close(pair_distances(maps, distance), torch.tensor(expected), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("distance", DISTANCES)
def test_segments_change_nothing(distance: Distance) -> None:
    maps, segments = super_pixel_maps(3, 4)
    segments[2] = segments[2].clamp(max=3)  # fewer segments in one image than in the batch
    maps[:, 2] = torch.rand(3, 4, generator=torch.Generator().manual_seed(2))[:, segments[2]]
    with_segments = pair_distances(maps, distance, segments.int())
    torch.testing.assert_close(with_segments, pair_distances(maps, distance), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("with_segments", [False, True])
def test_equal_maps_have_distance_exactly_zero(distance: Distance, with_segments: bool) -> None:
    maps, segments = super_pixel_maps(1, 3)
    result = pair_distances(maps.expand(3, -1, -1, -1), distance, segments if with_segments else None)
    assert torch.equal(result, torch.zeros(3, 3))


@pytest.mark.parametrize("distance", DISTANCES)
def test_result_does_not_depend_on_the_batch_or_the_chunk(distance: Distance, monkeypatch: pytest.MonkeyPatch) -> None:
    maps, segments = super_pixel_maps(3, 7)
    whole = pair_distances(maps, distance)
    whole_segments = pair_distances(maps, distance, segments)
    alone = torch.cat([pair_distances(maps[:, n : n + 1], distance) for n in range(7)], dim=1)
    monkeypatch.setattr(distances, "CHUNK_VALUES", 2 * maps[:, :1].numel())
    assert torch.equal(whole, alone)
    assert torch.equal(whole, pair_distances(maps, distance))
    assert torch.equal(whole_segments, pair_distances(maps, distance, segments))


@pytest.mark.parametrize("distance", DISTANCES)
def test_map_distance_is_symmetric_and_one_pair(distance: Distance) -> None:
    first, second = random_maps(2, 5)
    result = map_distance(first, second, distance)
    assert torch.equal(result, pair_distances(torch.stack([first, second]), distance)[0])
    torch.testing.assert_close(map_distance(second, first, distance), result, atol=1e-7, rtol=0)


@pytest.mark.parametrize(
    ("distance", "both_zero", "one_zero"),
    [("l2", 0.0, 1.0), ("l2_raw", 0.0, 6.0), ("l1", 0.0, 0.5), ("spearman", 1.0, 1.0), ("cosine", 1.0, 1.0)],
)
def test_zero_and_constant_maps_are_defined(distance: Distance, both_zero: float, one_zero: float) -> None:
    zeros, constant = torch.zeros(1, 12, 12), torch.full((1, 12, 12), 0.5)
    assert map_distance(zeros, zeros, distance).item() == both_zero
    assert map_distance(zeros, constant, distance).item() == pytest.approx(one_zero)


def test_ssim_of_constant_maps_is_defined() -> None:
    zeros, ones = torch.zeros(1, 12, 12), torch.ones(1, 12, 12)
    assert map_distance(zeros, zeros, "ssim").item() == 0.0
    assert map_distance(zeros, ones, "ssim").item() == pytest.approx(1 - 1e-4 / (1 + 1e-4))


def test_spearman_takes_opposite_orders_as_equal() -> None:
    maps = random_maps(1, 2)[0]
    assert map_distance(maps, -maps, "spearman").tolist() == [0.0, 0.0]


def test_scale_matters_only_for_raw_distances() -> None:
    first, second = random_maps(2, 3)
    free: tuple[Distance, ...] = ("l2", "cosine", "spearman")
    raw: tuple[Distance, ...] = ("l2_raw", "l1")
    for distance in free:
        torch.testing.assert_close(map_distance(first, 5 * second, distance), map_distance(first, second, distance))
    for distance in raw:
        scaled = map_distance(5 * first, 5 * second, distance)
        torch.testing.assert_close(scaled, 5 * map_distance(first, second, distance))


@pytest.mark.parametrize("distance", DISTANCES)
def test_nan_stays_in_its_image_and_pairs(distance: Distance) -> None:
    maps, segments = super_pixel_maps(3, 2)
    maps[2, 1] = torch.nan
    for result in (pair_distances(maps, distance), pair_distances(maps, distance, segments)):
        assert result.isnan().tolist() == [[False, False], [False, True], [False, True]]


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_computed_in_double(distance: Distance, dtype: torch.dtype) -> None:
    maps, segments = super_pixel_maps(2, 3)
    maps = maps.to(dtype)
    result = pair_distances(maps, distance)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, pair_distances(maps.double(), distance), atol=1e-7, rtol=0)
    torch.testing.assert_close(result, pair_distances(maps, distance, segments), atol=1e-6, rtol=0)


@pytest.mark.parametrize("distance", [distance for distance in DISTANCES if distance != "ssim"])
def test_one_pixel_and_no_image(distance: Distance) -> None:
    expected = {"l2": 0.0, "l2_raw": 1.5, "l1": 1.5, "spearman": 1.0, "cosine": 0.0}[distance]
    maps = torch.tensor([2.0, 0.5]).view(2, 1, 1, 1)
    assert pair_distances(maps, distance).item() == expected
    assert pair_distances(maps[:, :0], distance).shape == (1, 0)
    empty = torch.empty(0, 1, 1, dtype=torch.long)
    assert pair_distances(maps[:, :0], distance, empty).shape == (1, 0)


def test_wrong_arguments_are_refused() -> None:
    maps, segments = super_pixel_maps(2, 3)
    with pytest.raises(ValueError, match=r"Expected `maps` of shape \(M,N,H,W\) with at least one pixel"):
        pair_distances(maps[0], "l2")
    with pytest.raises(ValueError, match="Expected `maps` of at least 2 models, got 1"):
        pair_distances(maps[:1], "l2")
    with pytest.raises(ValueError, match="Expected `reference` to have the shape"):
        map_distance(maps[0], maps[1, :2], "l2")
    unknown = cast(Distance, "l3")
    with pytest.raises(ValueError, match=r"Expected `distance` to be one of .* got 'l3'"):
        pair_distances(maps, unknown)
    with pytest.raises(TypeError, match="Expected `segments` of an integer type"):
        pair_distances(maps, "l2", segments.float())
    with pytest.raises(ValueError, match=r"Expected `segments` of shape \(3, 12, 12\), got \(2, 12, 12\)"):
        pair_distances(maps, "l2", segments[:2])
    for wrong in (segments - 1, segments + 140):
        with pytest.raises(ValueError, match="Expected `segments` to hold ids from 0"):
            pair_distances(maps, "l2", wrong)
    maps[1, 2, 3, 4] += 0.1
    with pytest.raises(ValueError, match="Expected `maps` to be constant on each of `segments`"):
        pair_distances(maps, "l2", segments)
