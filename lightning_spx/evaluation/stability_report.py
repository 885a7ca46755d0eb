"""What a stability study shows: tables on the console, figures in the run folder, both in the loggers."""

from collections.abc import Sequence
from functools import partial

import pandas as pd
from lightning.pytorch.loggers import Logger
from matplotlib.figure import Figure
from rich.console import Console

from lightning_spx.attribution import saliency_map
from lightning_spx.evaluation.console import print_table
from lightning_spx.evaluation.examples import Examples
from lightning_spx.evaluation.run_folder import RunFolder, file_name, write_atomic
from lightning_spx.evaluation.sanity import FULLY_RANDOMISED, sanity_sentences
from lightning_spx.evaluation.scalars import scalars_of
from lightning_spx.reporting import (
    finish,
    log_config,
    log_figure,
    log_scalars,
    log_table,
    map_panel,
    mege_table,
    stability_bars,
    stability_table,
)
from lightning_spx.superpixels import segment_pool


def report_stability(
    run: RunFolder,
    results: pd.DataFrame,
    per_image: pd.DataFrame,
    methods: Sequence[str],
    num_models: int,
    loggers: Sequence[Logger],
) -> None:
    """Draw the figures of a finished study, print its tables and send all of it to the loggers.

    Args:
        run: holds the examples and receives `figures/`.
        results: the rows of `results.csv`.
        per_image: the values behind them.
        methods: names of the methods.
        num_models: of each repeat.
        loggers: of the Trainer; none is fine.
    """
    figures = _figures(run, results, methods, num_models)
    for name, figure in figures.items():
        write_atomic(run.path / "figures" / f"{name}.png", partial(figure.savefig, dpi=150))
    console = Console()
    for metric, setting in _numbers(results):
        # of the stages of a sanity check the last one is printed
        if metric in ("saliency_ssim", "mege") or setting == FULLY_RANDOMISED:
            table = stability_table(results, metric, setting)
            print_table(console, table)
    blank = per_image.groupby(["method", "superpixels"], sort=False)["constant"].mean()
    for key, share in blank[blank > 0].items():
        console.print(f"{key}: {share:.1%} of the compared pairs of maps hold a constant map")
    for said in sanity_sentences(results):
        console.print(said, markup=False, highlight=False)
    log_config(loggers, run.config)
    log_scalars(loggers, scalars_of(results, "stability"))
    log_table(loggers, "stability/results", results)
    for name, figure in figures.items():
        log_figure(loggers, f"stability/{name}", figure)
    finish(loggers)


def _numbers(results: pd.DataFrame) -> list[tuple[str, str]]:
    """The metrics of a study with their settings, in their order."""
    return list(dict.fromkeys(zip(results["metric"], results["setting"], strict=True)))


def _figures(run: RunFolder, results: pd.DataFrame, methods: Sequence[str], num_models: int) -> dict[str, Figure]:
    figures = {}
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
            [f"model {number}" for number in range(num_models)],
            f"{method}: the same images, explained by models trained on other data",
        )
    return figures
