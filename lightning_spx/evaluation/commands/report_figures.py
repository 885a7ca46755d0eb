"""Reads the figures of a run for its page: in the order of their importance, each with a caption and a description."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lightning_spx.evaluation.statistics.distributions import image_values
from lightning_spx.evaluation.statistics.pair_order import pair_order
from lightning_spx.reporting.figure_words import (
    averaging_in_words,
    bars_in_words,
    curves_in_words,
    distribution_in_words,
    front_in_words,
    pairs_in_words,
)
from lightning_spx.reporting.number_words import number_label, number_title
from lightning_spx.reporting.pairs import has_pairs, model_names
from lightning_spx.reporting.plans import by_plan, with_plan
from lightning_spx.reporting.rows import numbers_shown
from lightning_spx.runs.blocks import files_of
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
    known: dict[str, tuple[str, str]] = {}
    for plan, own in by_plan(results):
        name = f"distribution_{number_figure(SSIM, '', plan)}"
        # the values of each image are read only to describe what is drawn of them
        known |= _known(own, names, plan, {name: _distribution(folder, own, plan)} if name in paths else {})
    # stable: tables come last
    known = dict(sorted(known.items(), key=lambda figure: figure[0].startswith(TABLE)))
    others = [stem for stem in paths if stem not in known and not stem.startswith(MAPS)]
    # figures of an unknown name, such as those of a later version
    said = known | {stem: (stem.replace("_", " "), f"Figure: {stem.replace('_', ' ')}.") for stem in others}
    shown = {stem: words for stem, words in said.items() if stem in paths}
    return RunFigures(
        {caption: read_picture(paths[stem]) for stem, (caption, _) in shown.items()},
        dict(shown.values()),
    )


def _known(
    results: pd.DataFrame, names: Sequence[str], plan: str, distribution: Mapping[str, tuple[str, str]]
) -> dict[str, tuple[str, str]]:
    """Return caption and description of each figure that a study may have of a plan, by its name, in order."""
    numbers = sorted(numbers_shown(results), key=lambda number: number[0] != SSIM)
    removal = [number for number in numbers if number[0] in ("roar_accuracy", "kar_accuracy")]
    found: dict[str, tuple[str, str]] = {}
    if removal:
        caption = "Curves: accuracy after retraining over the percentage of pixels"
        found["curves"] = (caption, curves_in_words(results))
    elif (SSIM, "") in numbers and not plan:
        caption = "Front: every row between stability and fidelity, up and right is better"
        found["front"] = (caption, front_in_words(results))
    for metric in dict.fromkeys(metric for metric, setting in numbers if "models_averaged=" in setting):
        caption = f"Averaging: excess in {number_label(metric)} over the number of models averaged"
        found[f"averaging_{metric}"] = (caption, averaging_in_words(results, metric))
    for metric, setting in numbers:
        caption = f"{with_plan(number_title(metric, setting), plan)}: {BARS}"
        found[number_figure(metric, setting, plan)] = (caption, bars_in_words(results, metric, setting))
        if metric == SSIM and has_pairs(results, SSIM):
            models = model_names(results, SSIM, names)
            words = pairs_in_words(results, SSIM, models, pair_order(results, SSIM, len(models)))
            caption = f"{number_label(SSIM)}, pair by pair: value above the diagonal, excess over the floor below"
            found[f"pairs_{number_figure(SSIM, '', plan)}"] = (with_plan(caption, plan), words)
        if metric == SSIM:
            found |= distribution
    for metric, setting in numbers:
        name = f"{TABLE}{number_figure(metric, setting, plan)}"
        found[name] = _table(with_plan(number_label(metric, setting), plan))
    found |= {f"{TABLE}tradeoff": _table("stability and fidelity"), f"{TABLE}accuracy": _table("accuracy")}
    words = "A table of how much of the images' variance partitions explain, and how regular their segments are."
    found[f"{TABLE}partition_quality"] = ("Partitions without ground truth, as a table", words)
    found[f"{TABLE}partitions"] = ("Partitions, as a table", "A table of how well partitions follow drawn borders.")
    return found


def _distribution(folder: Path, results: pd.DataFrame, plan: str) -> tuple[str, str]:
    """Return caption and description of how SSIM is distributed over the images."""
    values = folder / "per_image"
    methods = map(str, results["method"].unique()) if values.is_dir() else ()
    kinds = [kind for name in methods for kind in image_values(list(files_of(values, name, plan)), name, SSIM, "")]
    caption = f"{number_label(SSIM)}, image by image: values on the left, floors of the same images on the right"
    return with_plan(caption, plan), distribution_in_words(kinds, SSIM)


def _table(label: str) -> tuple[str, str]:
    return (
        f"{label[0].upper()}{label[1:]}, as a table",
        f"A table of {label}: numbers that this page has above as text.",
    )
