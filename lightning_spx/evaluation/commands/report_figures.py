"""Reads the figures of a run for its page: in the order of their importance, each with a caption and a description."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lightning_spx.reporting.figure_words import (
    averaging_in_words,
    bars_in_words,
    curves_in_words,
    front_in_words,
    pairs_in_words,
)
from lightning_spx.reporting.number_words import number_label, number_title
from lightning_spx.reporting.rows import ALL_PAIRS, over_findings
from lightning_spx.runs.figure_names import number_figure
from lightning_spx.runs.reading import read_picture

SSIM = "saliency_ssim"
BARS = "values with 95 % intervals and floors above, excess over the floor below"
TABLE = "table_"
MAPS = "maps_"  # the gallery shows the maps


@dataclass(frozen=True)
class RunFigures:
    """The figures of a run.

    Args:
        pictures: PNG files by caption.
        descriptions: what each shows, by caption, for those who cannot see it.
    """

    pictures: dict[str, bytes]
    descriptions: dict[str, str]


def read_figures(folder: Path, results: pd.DataFrame, names: Sequence[str]) -> RunFigures:
    """Read the figures of numbers: those of the answer first, tables last.

    Args:
        folder: of the run.
        results: rows of its `results.csv`.
        names: of the models that are compared in pairs.

    Raises:
        ValueError: a figure is damaged; the message names it.
    """
    paths = {path.stem: path for path in sorted((folder / "figures").glob("*.png"))}
    known = _known(results, names)
    others = [stem for stem in paths if stem not in known and not stem.startswith(MAPS)]
    # figures of an unknown name, such as those of a later version
    said = known | {stem: (stem.replace("_", " "), f"Figure: {stem.replace('_', ' ')}.") for stem in others}
    shown = {stem: words for stem, words in said.items() if stem in paths}
    return RunFigures(
        {caption: read_picture(paths[stem]) for stem, (caption, _) in shown.items()},
        dict(shown.values()),
    )


def _known(results: pd.DataFrame, names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return caption and description of each figure that a study may have, by its name, in order."""
    rows = over_findings(results[results["pair"] == ALL_PAIRS])
    numbers = list(dict.fromkeys(zip(rows["metric"], rows["setting"].astype(object).fillna(""), strict=True)))
    numbers.sort(key=lambda number: number[0] != SSIM)  # stable: the others stay in their order
    removal = [number for number in numbers if number[0] in ("roar_accuracy", "kar_accuracy")]
    found: dict[str, tuple[str, str]] = {}
    if removal:
        caption = "Curves: accuracy after retraining over the percentage of pixels"
        found["curves"] = (caption, curves_in_words(results))
    elif (SSIM, "") in numbers:
        caption = "Front: every row between stability and fidelity, up and right is better"
        found["front"] = (caption, front_in_words(results))
    for metric in dict.fromkeys(metric for metric, setting in numbers if "models_averaged=" in setting):
        caption = f"Averaging: excess in {number_label(metric)} over the number of models averaged"
        found[f"averaging_{metric}"] = (caption, averaging_in_words(results, metric))
    for metric, setting in numbers:
        caption = f"{number_title(metric, setting)}: {BARS}"
        found[number_figure(metric, setting)] = (caption, bars_in_words(results, metric, setting))
        if metric == SSIM:
            caption = f"{number_label(SSIM)}, pair by pair: value above the diagonal, excess over the floor below"
            found["pairs_saliency_ssim"] = (caption, pairs_in_words(results, SSIM, names))
    for metric, setting in numbers:
        found[f"{TABLE}{number_figure(metric, setting)}"] = _table(number_label(metric, setting))
    found |= {f"{TABLE}tradeoff": _table("stability and fidelity"), f"{TABLE}accuracy": _table("accuracy")}
    found[f"{TABLE}partitions"] = ("Partitions, as a table", "A table of how well partitions follow drawn borders.")
    return found


def _table(label: str) -> tuple[str, str]:
    return (
        f"{label[0].upper()}{label[1:]}, as a table",
        f"A table of {label}: numbers that this page has above as text.",
    )
