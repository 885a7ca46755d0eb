"""Top-k overlap against the average over every way to break the ties."""

from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lightning_spx.metrics import TopKOverlap, topk_overlap
from lightning_spx.metrics.overlap import overlap_of_pairs


def possible_sets(values: list[float], places: int) -> list[set[int]]:
    """All sets of `places` indices in which no value is left out for a smaller one."""
    return [
        set(chosen)
        for chosen in combinations(range(len(values)), places)
        if min(values[i] for i in chosen) >= max((v for i, v in enumerate(values) if i not in chosen), default=-1)
    ]


def enumerated(first: list[float], second: list[float], places: int) -> float:
    pairs = [len(a & b) / places for a in possible_sets(first, places) for b in possible_sets(second, places)]
    return sum(pairs) / len(pairs)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(0, 3), min_size=8, max_size=8),
    st.lists(st.integers(0, 3), min_size=8, max_size=8),
    st.integers(1, 8),
)
def test_equals_the_average_over_all_tie_breakings(first: list[int], second: list[int], places: int) -> None:
    saliency, reference = (torch.tensor(values, dtype=torch.float32).view(1, 2, 4) for values in (first, second))
    expected = enumerated([float(v) for v in first], [float(v) for v in second], places)
    assert topk_overlap(saliency, reference, k=places / 8).item() == pytest.approx(expected, abs=1e-6)


def slow_overlap(first: Tensor, second: Tensor, places: int) -> float:
    top = [set(m.flatten().argsort(descending=True)[:places].tolist()) for m in (first, second)]
    return len(top[0] & top[1]) / places


@pytest.mark.parametrize(("size", "k", "places"), [((32, 32), 0.1, 102), ((5, 5), 0.1, 2), ((3, 3), 0.01, 1)])
def test_without_ties_it_is_the_shared_fraction(size: tuple[int, int], k: float, places: int) -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.rand(6, *size, generator=generator), torch.rand(6, *size, generator=generator)
    second = first + 0.3 * second
    expected = torch.tensor([slow_overlap(a, b, places) for a, b in zip(first, second, strict=True)])
    torch.testing.assert_close(topk_overlap(first, second, k=k), expected)


def test_a_constant_map_scores_chance_against_anything() -> None:
    maps = torch.rand(1, 10, 10, generator=torch.Generator().manual_seed(0))
    for constant in (torch.zeros(1, 10, 10), torch.ones(1, 10, 10)):
        assert topk_overlap(constant, maps, k=0.1).item() == pytest.approx(0.1)
        assert topk_overlap(constant, constant, k=0.1).item() == pytest.approx(0.1)


def test_a_map_with_ties_overlaps_itself_by_less_than_one() -> None:
    maps = torch.tensor([[[3.0, 1.0], [1.0, 0.0]]])
    assert topk_overlap(maps, maps, k=0.5).item() == pytest.approx((1 + 0.25 + 0.25) / 2)
    assert topk_overlap(maps, maps, k=0.75).item() == 1.0


def test_a_single_pixel_is_always_shared() -> None:
    assert topk_overlap(torch.zeros(1, 1, 1), torch.ones(1, 1, 1)).item() == 1.0


def test_only_the_order_matters_and_it_is_symmetric() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(4, 9, 9, generator=generator), torch.randn(4, 9, 9, generator=generator)
    value = topk_overlap(first, second)
    assert torch.equal(topk_overlap(first.exp(), 3 * second - 1), value)
    assert torch.equal(topk_overlap(second, first), value)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(dtype: torch.dtype) -> None:
    values = torch.randperm(64, generator=torch.Generator().manual_seed(0)).view(1, 8, 8)
    assert torch.equal(topk_overlap(values.to(dtype), values.to(dtype)), torch.ones(1))


def test_double_precision_order_is_kept() -> None:
    maps = torch.tensor([[[1.0, 1.0 + 1e-12]]], dtype=torch.float64)
    assert topk_overlap(maps, maps.flip(2), k=0.5).item() == 0.0


def test_nan_stays_in_its_image() -> None:
    maps = torch.rand(3, 6, 6, generator=torch.Generator().manual_seed(0))
    broken = maps.clone()
    broken[1, 0, 0] = torch.nan
    for value in (topk_overlap(broken, maps), topk_overlap(maps, broken)):
        assert value.isnan().tolist() == [False, True, False]
    assert topk_overlap(maps[:0], maps[:0]).shape == (0,)


@pytest.mark.parametrize("k", [0.0, -0.1, 1.1, float("nan")])
def test_wrong_k_is_refused(k: float) -> None:
    with pytest.raises(ValueError, match=r"Expected `k` to be in \(0, 1\]"):
        topk_overlap(torch.rand(1, 4, 4), torch.rand(1, 4, 4), k=k)
    with pytest.raises(ValueError, match=r"Expected `k` to be in \(0, 1\]"):
        TopKOverlap(k=k)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Expected `saliency` of shape \(N,H,W\)"):
        topk_overlap(torch.rand(4, 4), torch.rand(4, 4))
    with pytest.raises(ValueError, match="Expected `reference` to have the shape"):
        topk_overlap(torch.rand(1, 4, 4), torch.rand(1, 4, 5))


def test_pairs_at_once_are_the_pairs_one_by_one() -> None:
    maps = torch.randint(0, 9, (4, 3, 6, 5), generator=torch.Generator().manual_seed(3)).float()
    pairs = [(0, 1), (3, 2), (1, 1)]
    expected = torch.stack([topk_overlap(maps[i], maps[j], k=0.3) for i, j in pairs])
    assert torch.equal(overlap_of_pairs(maps.flatten(2), pairs, k=0.3), expected)


@pytest.mark.parametrize("k", [0.01, 0.3, 1.0])
def test_values_of_segments_count_as_often_as_they_have_pixels(k: float) -> None:
    generator = torch.Generator().manual_seed(4)
    segments = torch.randint(0, 5, (3, 6, 7), generator=generator)
    segments[:, 0, :5] = torch.arange(5)
    segments[1].clamp_(max=2)  # an image with fewer segments
    sizes = torch.stack([torch.bincount(each.flatten(), minlength=5) for each in segments]).double()
    values = torch.randint(-2, 3, (4, 3, 5), generator=generator).float()
    maps = values.gather(2, segments.flatten(1).expand(4, -1, -1))
    pairs = [(0, 1), (2, 3), (1, 1)]
    found = overlap_of_pairs(values, pairs, k, sizes)
    torch.testing.assert_close(found, overlap_of_pairs(maps, pairs, k), rtol=0, atol=1e-6)
