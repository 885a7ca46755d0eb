"""Says which rows of a table are for training, validation and test."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lightning_spx.data.label_kinds import Labels
from lightning_spx.data.splits import grouped_draw, stratified_draw

if TYPE_CHECKING:
    from lightning_spx.data.table_labels import TableLabels

TRAIN, TEST, VALIDATION = 0, 1, 2
SET_NAMES = ("training", "test", "validation")
SETS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("test", "testing"), TEST),
    **dict.fromkeys(("val", "valid", "validation", "dev"), VALIDATION),
}
# not the seed of the study, so that all repeats explain images that no model of any repeat was trained on
TEST_SEED = 0
Sets = NDArray[np.int8]


def read_sets(cells: "pd.Series[str]", place: Callable[[int], str]) -> Sets:
    """Return the set of each row, `(n,)`, from a column that names it; upper and lower case are the same.

    Raises:
        ValueError: a row has another name or none, or no row is for training.

    Example:
        >>> read_sets(pd.Series(["Train", "valid", "test"]), str).tolist()
        [0, 2, 1]
    """
    codes, found = pd.factorize(cells)
    for number, text in enumerate(found):
        if text.casefold() not in SETS:
            raise ValueError(
                f"Expected the column of `split` to say train, val or test, got {text!r} in "
                f"{place(int(np.argmax(codes == number)))}; it holds {', '.join(sorted(map(repr, found))[:10])}."
            )
    return np.array([SETS[text.casefold()] for text in found], np.int8)[codes]


def draw_test(labels: Labels, fraction: float, groups: NDArray[np.str_] | None) -> Sets:
    """Return sets with a drawn test that has the class shares of the whole and parts no group, `(n,)`.

    Args:
        labels: classes or findings of all rows.
        fraction: share of the rows in the test.
        groups: (n,) the group of each row, or None.

    Raises:
        ValueError: the draw leaves no row for training or for the test.

    Example:
        >>> draw_test(np.array([0, 1] * 5), 0.2, None).tolist().count(TEST)
        2
    """
    number = round(fraction * len(labels))
    if groups is None:
        drawn = stratified_draw(labels, number, TEST_SEED)
    else:
        drawn = grouped_draw(labels, number, TEST_SEED, groups)
    if not 0 < len(drawn) < len(labels):
        of_groups = "" if groups is None else f" of {len(np.unique(groups))} groups"
        raise ValueError(
            f"Expected rows for training and test, but a test of {number} of {len(labels)} rows{of_groups} would have "
            f"{len(drawn)}: set `split` or `test_fraction`{'' if groups is None else ', or name smaller groups'}."
        )
    sets = np.full(len(labels), TRAIN, np.int8)
    sets[drawn] = TEST
    return sets


def check_groups(sets: Sets, groups: NDArray[np.str_], place: Callable[[int], str]) -> None:
    """Refuse a group with rows in two sets, which would make the test part of the training.

    Raises:
        ValueError: a group is in two sets.
    """
    codes, found = pd.factorize(groups)
    first = np.zeros(len(found), np.int64)
    # the last assignment of the reversed rows is the first row of a group
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    torn = np.flatnonzero(sets != sets[first[codes]])
    if torn.size:
        row, other = int(torn[0]), int(first[codes[torn[0]]])
        places = [f"{SET_NAMES[sets[each]]} in {place(each)}" for each in (other, row)]
        raise ValueError(
            f"Expected every group in one set, got {len(np.unique(codes[torn]))} in two, the first "
            f"{str(found[codes[row]])!r}: {', '.join(places)}."
        )


def check_trained(labels: "TableLabels", sets: Sets) -> None:
    """Refuse a class, or a finding, of which no training row is an example.

    Raises:
        ValueError: there is such a class.
    """
    values = labels.labels[sets == TRAIN]
    counts = (values == 1).sum(0) if values.ndim == 2 else np.bincount(values, minlength=len(labels.names))
    if counts.min() == 0:
        kind = "finding" if values.ndim == 2 else "class"
        raise ValueError(f"Expected training rows of every {kind}, got none of {labels.names[int(counts.argmin())]!r}.")
