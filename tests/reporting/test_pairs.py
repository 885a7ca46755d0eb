"""Matrices of pairs: every model stands in the row and column of its name, in whatever order they are drawn."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from lightning_spx.evaluation.statistics.pair_order import pair_matrix, pair_order
from lightning_spx.reporting import pairs_figure
from lightning_spx.reporting.figure_words import pairs_in_words
from lightning_spx.reporting.pairs import has_pairs, model_names
from tests.reporting.cases import row, table

NAMES = ["a", "b", "c", "d"]
# a and c agree, and b and d
EXCESS = {"0-1": 0.1, "0-2": 0.9, "0-3": 0.15, "1-2": 0.2, "1-3": 0.8, "2-3": 0.25}


def results() -> pd.DataFrame:
    pairs = [row(pair=pair, value=0.5 + excess / 2, excess=excess) for pair, excess in EXCESS.items()]
    # the second method has the same mean, and S- rows and controls say nothing of the order
    others = [{**each, "method": "Other", "excess": float(str(each["excess"]))} for each in pairs]
    pooled = [row(name, pair="0-1", excess=0.99) for name in ("Slic", "control:grid(Slic)")]
    return table(row(), *pairs, *others, *pooled).assign(condition="all", excess_low=0.0)


def read(figure: Figure) -> dict[tuple[str, str], float]:
    """What the first matrix says of each two names: the value above the diagonal, the excess below it."""
    axes = figure.axes[0]
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names == [label.get_text() for label in axes.get_yticklabels()]
    array = np.asarray(axes.images[0].get_array(), float)
    for text in axes.texts:
        column, line = (int(number) for number in text.get_position())
        assert float(text.get_text()) == pytest.approx(array[line, column], abs=0.0051)
    return {
        (names[line], names[column]): float(array[line, column])
        for line in range(len(names))
        for column in range(len(names))
        if line != column
    }


@pytest.mark.parametrize("order", [None, [0, 1, 2, 3], [3, 2, 1, 0], [0, 2, 1, 3], [2, 0, 3, 1]])
def test_names_move_along_with_their_values(order: list[int] | None) -> None:
    shown = read(pairs_figure(results(), "saliency_ssim", NAMES, order))
    places = {NAMES[position]: place for place, position in enumerate(order or range(4))}
    for pair, excess in EXCESS.items():
        upper, lower = sorted((NAMES[int(number)] for number in pair.split("-")), key=lambda name: places[name])
        assert shown[upper, lower] == pytest.approx(0.5 + excess / 2)
        assert shown[lower, upper] == pytest.approx(excess)


@pytest.mark.parametrize("order", [[0, 1, 2], [0, 1, 2, 2], [1, 2, 3, 4]])
def test_an_order_that_leaves_a_model_out_is_refused(order: list[int]) -> None:
    with pytest.raises(ValueError, match="Expected `order` to have each position of 4 models once"):
        pairs_figure(results(), "saliency_ssim", NAMES, order)


def test_models_that_agree_stand_together_and_the_words_say_so() -> None:
    rows = results()
    matrix = pair_matrix(rows, "saliency_ssim", 4)
    assert matrix[0].tolist() == [1.0, 0.1, 0.9, 0.15]
    np.testing.assert_array_equal(matrix, matrix.T)
    order = pair_order(rows, "saliency_ssim", 4)
    assert order is not None
    assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset({0, 2}), frozenset({1, 3})}
    words = pairs_in_words(rows, "saliency_ssim", NAMES, order)
    assert f"by average linkage of the pixel maps' excess: {', '.join(NAMES[each] for each in order)}." in words
    assert "linkage" not in pairs_in_words(rows, "saliency_ssim", NAMES)


def test_matrices_of_earlier_versions_are_in_the_order_of_their_models() -> None:
    assert pair_order(results().drop(columns="excess_low"), "saliency_ssim", 4) is None
    assert pair_order(results().assign(excess_low=float("nan")), "saliency_ssim", 4) is None


def test_models_have_their_names_or_their_numbers() -> None:
    assert model_names(results(), "saliency_ssim", NAMES) == NAMES
    assert model_names(results(), "saliency_ssim", NAMES[:2]) == [f"model {number}" for number in range(4)]
    assert has_pairs(results(), "saliency_ssim")
    assert not has_pairs(table(row()), "saliency_ssim")
