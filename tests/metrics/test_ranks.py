"""Ranks and Spearman's correlation against SciPy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from lightning_spx.metrics import average_ranks, spearman
from lightning_spx.metrics.ranks import centered_ranks, cosine_similarity


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(-3, 3), min_size=7, max_size=7), min_size=1, max_size=4))
def test_ranks_equal_scipy_with_ties(rows: list[list[int]]) -> None:
    values = torch.tensor(rows, dtype=torch.float32)
    np.testing.assert_array_equal(average_ranks(values).numpy(), rankdata(np.array(rows), axis=1))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 4)), min_size=1, max_size=6))
def test_weights_stand_for_repeated_values(entries: list[tuple[int, int]]) -> None:
    values = torch.tensor([[float(value) for value, _ in entries]])
    weights = torch.tensor([[count for _, count in entries]])
    repeats = weights[0]
    expected = average_ranks(values[0].repeat_interleave(repeats)[None])[0]
    ranks = average_ranks(values, weights)[0].repeat_interleave(repeats)
    assert torch.equal(ranks, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int32])
def test_ranks_of_other_types(dtype: torch.dtype) -> None:
    values = torch.randint(0, 9, (3, 50), generator=torch.Generator().manual_seed(0))
    assert torch.equal(average_ranks(values.to(dtype)), average_ranks(values))


def test_negative_zero_ties_with_zero_and_infinities_are_ranked() -> None:
    values = torch.tensor([[0.0, -0.0, torch.inf, -torch.inf]])
    assert average_ranks(values).tolist() == [[2.5, 2.5, 4.0, 1.0]]


def test_single_value_has_rank_one() -> None:
    assert average_ranks(torch.tensor([[5.0]])).tolist() == [[1.0]]
    assert average_ranks(torch.empty(0, 4)).shape == (0, 4)


def test_centered_ranks_sum_to_zero_with_and_without_weights() -> None:
    values = torch.rand(2, 9, generator=torch.Generator().manual_seed(0))
    weights = torch.randint(0, 5, (2, 9), generator=torch.Generator().manual_seed(1))
    assert centered_ranks(values).sum(dim=1).tolist() == [0.0, 0.0]
    assert (centered_ranks(values, weights) * weights).sum(dim=1).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("side", [16, 384])
def test_spearman_of_super_pixel_maps_equals_scipy(side: int) -> None:
    # Twenty values on 147,456 pixels: rank products that overflow 32 bits, and almost only ties.
    generator = torch.Generator().manual_seed(0)
    segments = torch.randint(0, 20, (2, side * side), generator=generator)
    first = torch.rand(2, 20, generator=generator).gather(1, segments)
    second = torch.rand(2, 20, generator=generator).gather(1, segments)
    expected = [spearmanr(a, b).statistic for a, b in zip(first.numpy(), second.numpy(), strict=True)]
    maps = first.view(2, side, side), second.view(2, side, side)
    np.testing.assert_allclose(spearman(*maps).numpy(), expected, atol=1e-9)


def test_spearman_of_continuous_maps_equals_scipy() -> None:
    generator = torch.Generator().manual_seed(0)
    first = torch.rand(3, 40, 50, generator=generator)
    second = first + torch.rand(3, 40, 50, generator=generator)
    expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(first.numpy(), second.numpy(), strict=True)]
    np.testing.assert_allclose(spearman(first, second).numpy(), expected, atol=1e-9)


def test_spearman_of_monotone_functions_is_exactly_one() -> None:
    maps = torch.rand(2, 30, 30, generator=torch.Generator().manual_seed(0))
    assert spearman(maps, maps.pow(3)).tolist() == [1.0, 1.0]
    assert spearman(maps, -maps).tolist() == [-1.0, -1.0]


def test_constant_maps_have_no_correlation_with_any_map() -> None:
    maps = torch.rand(1, 5, 5, generator=torch.Generator().manual_seed(0))
    constant = torch.full((1, 5, 5), 0.7)
    assert spearman(constant, maps).item() == 0.0
    assert spearman(maps, constant).item() == 0.0
    assert spearman(constant, constant).item() == 0.0
    assert spearman(maps[:, :1, :1], maps[:, :1, :1]).item() == 0.0


def test_nan_makes_only_its_own_row_nan() -> None:
    maps = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(0))
    broken = maps.clone()
    broken[1, 2, 2] = torch.nan
    assert average_ranks(broken.flatten(1)).isnan().all(dim=1).tolist() == [False, True, False]
    assert spearman(broken, maps).isnan().tolist() == [False, True, False]
    assert spearman(broken, torch.ones_like(maps)).isnan().tolist() == [False, True, False]


def test_cosine_counts_entries_by_weight() -> None:
    first, second = torch.tensor([[3.0, 1.0]]), torch.tensor([[1.0, 2.0]])
    repeated = torch.tensor([[3.0, 3.0, 1.0]]), torch.tensor([[1.0, 1.0, 2.0]])
    weighted = cosine_similarity(first, second, torch.tensor([[2.0, 1.0]]))
    torch.testing.assert_close(weighted, cosine_similarity(*repeated))
    assert weighted.item() == pytest.approx(8 / (19 * 6) ** 0.5)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Expected `values` of shape \(N,D\), got \(4,\)"):
        average_ranks(torch.ones(4))
    with pytest.raises(ValueError, match=r"Expected `weights` of shape \(2, 4\), got \(4,\)"):
        average_ranks(torch.ones(2, 4), torch.ones(4))
    with pytest.raises(ValueError, match=r"Expected `second` of shape \(2, 4\), got \(2, 5\)"):
        spearman(torch.ones(2, 4), torch.ones(2, 5))
