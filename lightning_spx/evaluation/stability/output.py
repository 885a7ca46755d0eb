"""What a stability study shows: tables on the console, figures in the run folder, both in the loggers."""

from collections.abc import Mapping, Sequence
from functools import partial

import pandas as pd
from lightning.pytorch.loggers import Logger
from matplotlib.figure import Figure
from rich.console import Console

from lightning_spx.attribution import saliency_map
from lightning_spx.evaluation.statistics.localization import LOCALIZATION
from lightning_spx.evaluation.statistics.sanity import FULLY_RANDOMISED, sanity_sentences
from lightning_spx.reporting import (
    finish,
    log_config,
    log_figure,
    log_scalars,
    log_table,
    map_panel,
    mege_table,
    pair_cells,
    pairs_figure,
    stability_bars,
    stability_table,
    text_table,
)
from lightning_spx.reporting.scalars import scalars_of
from lightning_spx.reporting.tables import print_table
from lightning_spx.runs.example_maps import Examples
from lightning_spx.runs.files import file_name, write_atomic
from lightning_spx.runs.folder import RunFolder
from lightning_spx.superpixels import segment_pool


def report_stability(
    run: RunFolder,
    results: pd.DataFrame,
    blank: Mapping[tuple[str, str], float],
    methods: Sequence[str],
    names: Sequence[str],
    said: Sequence[str],
    loggers: Sequence[Logger],
) -> None:
    """Draw the figures of a finished study, print its tables and send all of it to the loggers.

    Args:
        run: holds the examples and receives `figures/`.
        results: the rows of `results.csv`.
        blank: share of compared pairs of maps that hold a constant one, by (method, superpixels).
        methods: names of the methods.
        names: of the models of one repeat.
        said: sentences for console and page, beside what the results say themselves.
        loggers: of the Trainer; none is fine.
    """
    figures = _figures(run, results, methods, names)
    for name, figure in figures.items():
        write_atomic(run.path / "figures" / f"{name}.png", partial(figure.savefig, dpi=150))
    if said:
        run.write_json("notes.json", list(said))
    console = Console()
    for sentence in said:
        console.print(sentence, markup=False, highlight=False)
    for metric, setting in _numbers(results):
        # of the stages of a sanity check the last one is printed
        if metric in ("saliency_ssim", "mege", *LOCALIZATION) or setting == FULLY_RANDOMISED:
            print_table(console, stability_table(results, metric, setting))
    if len(names) > 2:
        cells = pair_cells(results, "saliency_ssim", names)
        print_table(console, text_table(cells, "SSIM of saliency maps, pair by pair"))
    for key, share in blank.items():
        console.print(f"{key}: {share:.1%} of the compared pairs of maps hold a constant map")
    for sentence in sanity_sentences(results):
        console.print(sentence, markup=False, highlight=False)
    log_config(loggers, run.config)
    log_scalars(loggers, scalars_of(results, "stability"))
    log_table(loggers, "stability/results", results)
    for name, figure in figures.items():
        log_figure(loggers, f"stability/{name}", figure)
    finish(loggers)


def _numbers(results: pd.DataFrame) -> list[tuple[str, str]]:
    """The metrics of a study with their settings, in their order."""
    return list(dict.fromkeys(zip(results["metric"], results["setting"], strict=True)))


def _figures(run: RunFolder, results: pd.DataFrame, methods: Sequence[str], names: Sequence[str]) -> dict[str, Figure]:
    figures = {}
    num_models = len(names)
    if num_models > 2:
        figures["pairs_saliency_ssim"] = pairs_figure(results, "saliency_ssim", names)
    for metric, setting in _numbers(results):
        name = file_name("_".join(filter(None, [metric, setting.replace("distance=", "")])))
        figures[name] = stability_bars(results, metric, setting)
        if metric == "mege":
            figures[f"table_{name}"] = mege_table(results, setting)
    for method in methods:
        examples = Examples.load(Examples.path(run, method))
        shape = (num_models, len(examples.images), *examples.images.shape[-2:])
        flat = examples.attributions.flatten(0, 1)
        pooled = {
            name: saliency_map(segment_pool(flat, segments.repeat(num_models, 1, 1))).view(shape)
            for name, segments in examples.segments.items()
        }
        figures[f"maps_{file_name(method)}"] = map_panel(
            examples.images,
            examples.segments,
            saliency_map(flat).view(shape),
            pooled,
            names,
            f"{method}: the same images, explained by {num_models} models",
        )
    return figures
