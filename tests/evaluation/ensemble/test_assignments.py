"""Groups of models: all of them where there are few, and different balanced draws where there are many."""

from itertools import chain, permutations

import numpy as np
import pytest

from lightning_spx.evaluation.ensemble.assignments import assign, group_sizes, without


@pytest.mark.parametrize(("num_models", "size"), [(4, 1), (4, 2), (5, 2), (6, 3)])
def test_few_assignments_are_all_listed(num_models: int, size: int) -> None:
    every = {
        frozenset((frozenset(order[:size]), frozenset(order[size : 2 * size])))
        for order in permutations(range(num_models))
    }
    found = assign(num_models, size, num_assignments=10_000, seed=0)
    assert len(found) == len(every)
    assert {frozenset(map(frozenset, each)) for each in found} == every


@pytest.mark.parametrize(("num_models", "size", "count"), [(8, 1, 27), (8, 2, 30), (8, 4, 34), (9, 4, 20)])
def test_draws_differ_share_no_model_and_are_balanced(num_models: int, size: int, count: int) -> None:
    found = assign(num_models, size, count, seed=3)
    assert len(set(found)) == len(found) == count
    for first, second in found:
        assert len(first) == len(second) == size
        assert not set(first) & set(second)
        assert first < second
    used = np.bincount(list(chain.from_iterable(chain.from_iterable(found))), minlength=num_models)
    assert used.min() > 0.5 * used.mean()
    assert found == assign(num_models, size, count, seed=3)
    assert found != assign(num_models, size, count, seed=4)


def test_sizes_double_up_to_half_of_the_models() -> None:
    sizes = {count: group_sizes(count) for count in (4, 5, 8, 15, 16)}
    assert sizes == {4: [1, 2], 5: [1, 2], 8: [1, 2, 4], 15: [1, 2, 4], 16: [1, 2, 4, 8]}


def test_half_of_the_models_leave_none_out() -> None:
    assert without(assign(4, 2, 10, seed=0), model=1) == []
    assert len(without(assign(5, 2, 100, seed=0), model=1)) == 3
