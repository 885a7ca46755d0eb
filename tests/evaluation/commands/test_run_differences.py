"""Which files of a run hold numbers, and where two of them differ most."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lightning_spx.evaluation.commands.run_differences import (
    array_difference,
    number_files,
    read_arrays,
    record_differences,
)


def test_logs_of_trainings_and_unfinished_files_are_no_numbers(tmp_path: Path) -> None:
    for name in ("training/model/metrics.csv", "per_image/.block.1.part.parquet", "per_image/a.parquet", "notes.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list(number_files(tmp_path)) == ["per_image/a.parquet"]


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ([0.1, 0.2], [0.1, 0.2], ""),
        ([np.nan, 1.0], [np.nan, 1.0], ""),
        ([np.inf], [np.inf], ""),
        ([0.1, 0.2, 0.3], [0.1, 0.3, 0.25], "up to 0.1, in x[1]: 0.2 and 0.3"),
        ([0.3], [np.nextafter(0.3, 1)], "up to 5.55e-17, in x[0]: 0.3 and 0.30000000000000004"),
        ([1.0, 2.0], [1.0, np.nan], "up to inf, in x[1]: 2.0 and nan"),
        ([0.0], [-0.0], "up to 0, in x[0]: 0.0 and -0.0"),
        ([True, False], [True, True], "up to 1, in x[1]: False and True"),
        ([[1, 2], [3, 4]], [[1, 2], [3, 9]], "up to 5, in x[1][1]: 4 and 9"),
        ([1, 2], [2, 1], "up to 1, in x[0]: 1 and 2"),
        ([1, 2], [1], "x is int64 of shape (2,) and int64 of shape (1,)"),
        ([1], [1.0], "x is int64 of shape (1,) and float64 of shape (1,)"),
        ([], [], ""),
    ],
)
def test_arrays_are_equal_bit_for_bit_or_the_largest_difference_is_named(
    first: list[float], second: list[float], said: str
) -> None:
    assert array_difference({"x": np.array(first)}, {"x": np.array(second)}) == said


def test_words_are_compared_as_words() -> None:
    first, second = (np.array(words, dtype=object) for words in (["a", None, "b"], ["a", None, "c"]))
    assert array_difference({"x": first}, {"x": first.copy()}) == ""
    assert array_difference({"x": first}, {"x": second}) == "up to inf, in x[2]: b and c"
    assert array_difference({"x": first}, {"y": first}) == "only one has x, y"


def test_a_column_that_earlier_results_lack_is_no_difference() -> None:
    numbers = np.arange(3)
    assert array_difference({"x": numbers}, {"x": numbers, "num_wrong": numbers}) == ""
    assert array_difference({"x": numbers, "num_wrong": numbers}, {"x": numbers}) == ""
    assert array_difference({"x": numbers}, {"x": numbers + 1, "num_wrong": numbers}).startswith("up to 1")


def test_neighboring_numbers_of_a_table_are_told_apart(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(1000) * 10.0 ** np.random.default_rng(1).integers(-9, 9, 1000)
    for name, column in (("first", values), ("second", np.nextafter(values, np.inf))):
        pd.DataFrame({"x": column, "word": "a"}).to_csv(tmp_path / f"{name}.csv", index=False)
    first, second = read_arrays(tmp_path / "first.csv"), read_arrays(tmp_path / "second.csv")
    assert np.array_equal(first["x"], values)
    assert (first["x"] != second["x"]).all()


def test_records_are_compared_in_what_could_be_a_cause() -> None:
    first = {"splits": ["a", "b"], "seconds": {"train": 1}, "models": {"x": 1}, "gpu": None}
    second = {"splits": ["a", "c"], "seconds": {"train": 2}, "models": {"x": 2}, "gpu": {"driver": "1"}}
    assert record_differences(first, second) == {
        "splits.1": ("b", "c"),
        "gpu": ("null", "not recorded"),
        "gpu.driver": ("not recorded", "1"),
    }
