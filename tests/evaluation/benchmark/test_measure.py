"""Times are taken in turns, and memory is that of the call."""

import numpy as np
import pytest
import torch

from lightning_spx.evaluation.benchmark.measure import OWN, measure, peak_mebibytes

CPU = torch.device("cpu")


def test_calls_are_timed_in_turns_and_divided_by_the_images() -> None:
    order: list[str] = []
    calls = {name: lambda name=name: order.append(name) for name in ("a", "b")}
    found = measure("metrics", "it", calls, 4, turns=range(3), device=CPU)
    assert order == ["a", "b", "a", "b", "b", "a", "a", "b"]
    assert [each.by for each in found] == ["a", "b"]
    assert all(len(each.milliseconds) == 3 for each in found)


def test_a_row_holds_median_and_quartiles() -> None:
    (found,) = measure("metrics", "it", {OWN: lambda: None}, 1, turns=range(1), device=CPU)
    row = type(found)("s", "w", OWN, 1, (1.0, 9.0, 2.0, 3.0, 4.0), None, 5).row()
    assert (row["milliseconds"], row["quartile_low"], row["quartile_high"], row["repeats"]) == (3.0, 2.0, 4.0, 5)


def test_peak_memory_is_that_of_the_call() -> None:
    peak = peak_mebibytes(lambda: np.ones(2**23), CPU)
    if peak is None:
        pytest.skip("only Linux tells")
    assert 60 < peak < 90
