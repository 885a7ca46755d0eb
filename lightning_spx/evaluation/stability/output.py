"""Makes the tables and figures of a stability study, and publishes them."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from lightning.pytorch.loggers import Logger
from matplotlib.figure import Figure
from rich.table import Table

from lightning_spx.evaluation.maps.example_saliency import example_saliency
from lightning_spx.evaluation.publish import Findings, publish
from lightning_spx.evaluation.statistics.answer import SSIM
from lightning_spx.evaluation.statistics.localization import LOCALIZATION
from lightning_spx.evaluation.statistics.sanity import FULLY_RANDOMISED
from lightning_spx.reporting import (
    map_panel,
    mege_table,
    pair_cells,
    pairs_figure,
    stability_bars,
    stability_table,
    text_table,
)
from lightning_spx.reporting.answer import Answer
from lightning_spx.reporting.finding_tables import FINDING_NOTE, finding_cells, finding_title
from lightning_spx.reporting.main_table import main_table
from lightning_spx.reporting.rows import PIXEL, over_findings
from lightning_spx.reporting.terminal import print_answer
from lightning_spx.runs.example_maps import Examples
from lightning_spx.runs.figure_names import number_figure
from lightning_spx.runs.files import file_name
from lightning_spx.runs.folder import RunFolder


def report_stability(
    run: RunFolder,
    results: pd.DataFrame,
    methods: Sequence[str],
    names: Sequence[str],
    answer: Answer,
    loggers: Sequence[Logger],
) -> None:
    """Draw the figures of a finished study and send all of it to the loggers.

    Args:
        run: holds the examples and receives `figures/`.
        results: the rows of `results.csv`.
        methods: names of the methods.
        names: names of the models of one repeat.
        answer: of the study.
        loggers: the Trainer's loggers; there may be none.
    """
    figures = _figures(run, results, methods, names)
    findings = Findings(
        study="stability",
        results=results,
        tables={"results": results},
        figures=figures,
        answer=answer,
        main=partial(main_table, results, SSIM, "", answer),
        more=_more_tables(results, names, answer),
    )
    publish(run, findings, loggers)


def print_stability(
    folder: Path, results: pd.DataFrame, names: Sequence[str], answer: Answer, all_tables: bool = False
) -> None:
    """Print the answer and the tables of a finished study.

    Args:
        folder: of the study.
        results: the rows of `results.csv`.
        names: names of the models of one repeat.
        answer: of the study.
        all_tables: print all tables, not only that of SSIM.
    """
    more = _more_tables(results, names, answer) if all_tables else None
    print_answer(folder, answer, partial(main_table, results, SSIM, "", answer), more)


def _more_tables(results: pd.DataFrame, names: Sequence[str], answer: Answer) -> list[Table | str]:
    more: list[Table | str] = []
    for metric, setting in _numbers(results):
        # print only the last stage of a sanity check
        if metric in ("saliency_ssim", "mege", "topk_overlap", "reco", *LOCALIZATION) or setting == FULLY_RANDOMISED:
            more.append(stability_table(results, metric, setting, answer))
            of_findings = finding_cells(results, metric, setting)
            if len(of_findings):
                more.append(text_table(of_findings, finding_title(metric, setting), FINDING_NOTE))
    if len(names) > 2:
        more.append(text_table(pair_cells(results, SSIM, names), "SSIM of saliency maps, pair by pair"))
    return more


def _numbers(results: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the metrics of a study with their settings, in the order of the rows over all findings."""
    rows = over_findings(results)
    return list(dict.fromkeys(zip(rows["metric"], rows["setting"], strict=True)))


def _figures(run: RunFolder, results: pd.DataFrame, methods: Sequence[str], names: Sequence[str]) -> dict[str, Figure]:
    figures = {}
    num_models = len(names)
    if num_models > 2:
        figures["pairs_saliency_ssim"] = pairs_figure(results, "saliency_ssim", names)
    for metric, setting in _numbers(results):
        name = number_figure(metric, setting)
        figures[name] = stability_bars(results, metric, setting)
        if metric == "mege":
            figures[f"table_{name}"] = mege_table(results, setting)
    for method in methods:
        examples = Examples.load(Examples.path(run.path, method))
        maps = {name: torch.from_numpy(each) for name, each in example_saliency(examples).items()}
        figures[f"maps_{file_name(method)}"] = map_panel(
            torch.from_numpy(examples.images),
            {name: torch.from_numpy(ids) for name, ids in examples.segments.items()},
            maps.pop(PIXEL),
            maps,
            names,
            f"{method}: the same images, explained by {num_models} models",
        )
    return figures
