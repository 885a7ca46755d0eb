"""Turns the cells of a table into labels: classes, or findings with a policy for what is uncertain."""

import re
import warnings
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lightning_spx.data.label_kinds import Labels
from lightning_spx.data.table_spelling import NOTHING, WHOLE, check_spellings, spelling

# what -1 becomes: U-Zeros, U-Ones and U-Ignore in CheXpert (Irvin et al. 2019, "Uncertainty Approaches")
Uncertain = Literal["refuse", "absent", "present", "unsaid"]
Unmentioned = Literal["unsaid", "absent"]
Place = Callable[[int], str]
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
PRESENT = frozenset({"1", "true", "yes"})
ABSENT = frozenset({"0", "false", "no"})
# what joins several names in a cell
JOINING = "|;,"
# what programs write for a number that they do not have; among names they may be names, as NA is Namibia
NO_NUMBERS = frozenset({*NOTHING, "inf", "-inf"})


class TableLabels(NamedTuple):
    """The labels of a table's rows.

    Args:
        names: the name of each class, or of each finding.
        labels: (n,) classes as int64, or (n, K) findings as float32: 1 present, 0 absent, NaN not said.
    """

    names: list[str]
    labels: Labels


def read_classes(cells: "pd.Series[str]", place: Place, threshold: float | None = None) -> TableLabels:
    """Return the class of each row: numbers in their order if all are whole, else names in alphabetical order.

    Args:
        cells: (n,) a name or a number each.
        place: says where a row is, for messages.
        threshold: makes two classes of numbers, `below 0.5` and `from 0.5`; None takes every value as a class.

    Raises:
        ValueError: numbers are not whole and there is no threshold, names differ only in case or numbers in how they
            are written, or there are less than two classes.

    Example:
        >>> read_classes(pd.Series(["10", "9.0", "9"]), str)
        TableLabels(names=['9', '10'], labels=array([1, 0, 0]))
    """
    codes, found = pd.factorize(cells)
    texts = [str(text) for text in found]

    def where(text: str) -> str:
        return place(int(np.argmax(codes == texts.index(text))))

    numbers = [text for text in texts if NUMBER.fullmatch(text)]
    odd = next((text for text in texts if text.casefold() in NO_NUMBERS), None)
    if numbers and odd is not None:
        raise ValueError(
            f"Expected labels that are all numbers or all names, got {odd!r} in {where(odd)} among numbers: an empty "
            "cell says that there is no label."
        )
    if threshold is not None:
        return _over_threshold(codes, texts, threshold, where)
    broken = next((text for text in numbers if not WHOLE.fullmatch(text)), None)
    if broken is not None and len(numbers) == len(texts):
        raise ValueError(
            f"Expected labels to be classes, got {len(texts)} numbers such as {broken} in {where(broken)}: set "
            "`threshold`, from which on a number counts as the second of two classes, or write names."
        )
    if len(numbers) == len(texts):
        written = [text.partition(".")[0] for text in texts]
        names = sorted(set(written), key=lambda name: (int(name), name))
    else:
        written = texts
        names = sorted(set(written))
    check_spellings(names, "label")
    if len(names) < 2:
        raise ValueError(f"Expected at least two classes, got only {names[0]!r}.")
    joined = next((name for name in names if any(mark in name for mark in JOINING) and _parts(name) & {*names}), None)
    if joined is not None:
        warnings.warn(
            f"{joined!r} is a class beside a part of it: set `separator` if cells name several.", stacklevel=2
        )
    order = {name: number for number, name in enumerate(names)}
    return TableLabels(names, np.array([order[text] for text in written], np.int64)[codes])


def _parts(name: str) -> set[str]:
    return {part.strip() for mark in JOINING if mark in name for part in name.split(mark)}


def _over_threshold(
    codes: NDArray[np.int64], texts: Sequence[str], threshold: float, where: Callable[[str], str]
) -> TableLabels:
    wrong = next((text for text in texts if not NUMBER.fullmatch(text)), None)
    if wrong is not None:
        raise ValueError(f"Expected numbers as labels, because `threshold` is set, got {wrong!r} in {where(wrong)}.")
    above = np.array([float(text) >= threshold for text in texts])
    if above.all() or not above.any():
        values = sorted(map(float, texts))
        raise ValueError(
            f"Expected `threshold` to part the labels, which are {values[0]:g} to {values[-1]:g}, got {threshold:g}."
        )
    return TableLabels([f"below {threshold:g}", f"from {threshold:g}"], above.astype(np.int64)[codes])


def read_findings(
    columns: "dict[str, pd.Series[str]]", place: Place, uncertain: Uncertain, unmentioned: Unmentioned
) -> TableLabels:
    """Return the findings of each row from one column per finding.

    Args:
        columns: cells of each finding: 1, true or yes; 0, false or no; -1 for uncertain; empty for unmentioned.
        place: says where a row is, for messages.
        uncertain: what -1 becomes: `absent` (U-Zeros), `present` (U-Ones), `unsaid` (U-Ignore), or `refuse`.
        unmentioned: what an empty cell becomes.

    Raises:
        ValueError: a cell holds something else, or -1 without a policy.

    Example:
        >>> read_findings({"Edema": pd.Series(["1.0", "", "-1"])}, str, "present", "unsaid").labels.tolist()
        [[1.0], [nan], [1.0]]
    """
    empty = float("nan") if unmentioned == "unsaid" else 0.0
    doubtful = {"absent": 0.0, "present": 1.0, "unsaid": float("nan")}
    labels = []
    for name, cells in columns.items():
        codes, found = pd.factorize(cells)
        values = []
        for number, text in enumerate(map(str, found)):
            plain = text.partition(".")[0] if WHOLE.fullmatch(text) else text.casefold()
            if plain in PRESENT or plain in ABSENT:
                values.append(float(plain in PRESENT))
            elif text == "":
                values.append(empty)
            elif plain == "-1" and uncertain != "refuse":
                values.append(doubtful[uncertain])
            else:
                row = place(int(np.argmax(codes == number)))
                advice = (
                    "uncertain: set `uncertain` to absent (U-Zeros of CheXpert), present (U-Ones) or unsaid (U-Ignore)"
                    if plain == "-1"
                    else "1, 0, -1 or an empty cell are known"
                )
                raise ValueError(
                    f"Expected the finding {name!r} to be present or absent, got {text!r} in {row}: {advice}."
                )
        labels.append(np.array(values, np.float32)[codes])
    return TableLabels(list(columns), np.stack(labels, axis=1))


def read_joined_findings(cells: "pd.Series[str]", place: Place, separator: str, no_finding: str | None) -> TableLabels:
    """Return the findings of each row from one column that lists names, such as `Cardiomegaly|Emphysema`.

    Args:
        cells: (n,) names joined by a separator. What a cell does not name is absent.
        place: says where a row is, for messages.
        separator: what joins names.
        no_finding: the name that says that there is none; None if no name does.

    Raises:
        ValueError: a cell is empty, names nothing, or names a finding beside `no_finding`; names differ only in case.

    Example:
        >>> read_joined_findings(pd.Series(["Mass|Edema", "No Finding"]), str, "|", "No Finding")
        TableLabels(names=['Edema', 'Mass'], labels=array([[1., 1.],
               [0., 0.]], dtype=float32))
    """
    codes, found = pd.factorize(cells)
    named = [{name.strip() for name in str(text).split(separator)} for text in found]
    for number, each in enumerate(named):
        if "" in each or (no_finding in each and len(each) > 1) or any(name.casefold() in NOTHING for name in each):
            raise ValueError(
                f"Expected findings joined by {separator!r}, or {no_finding!r} alone, got {found[number]!r} in "
                f"{place(int(np.argmax(codes == number)))}."
            )
    names = sorted(set[str]().union(*named) - {no_finding or ""})
    if not names:
        raise ValueError(f"Expected at least one finding, got only {no_finding!r}.")
    check_spellings(names, "label")
    if no_finding is not None and spelling(no_finding) in {spelling(name) for name in names}:
        raise ValueError(f"Expected `no_finding` as the table writes it, got {no_finding!r}, which differs in case.")
    labels = np.array([[float(name in each) for name in names] for each in named], np.float32)
    return TableLabels(names, labels[codes])
