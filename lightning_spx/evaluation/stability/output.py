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
from lightning_spx.evaluation.statistics.distributions import image_values
from lightning_spx.evaluation.statistics.localization import LOCALIZATION
from lightning_spx.evaluation.statistics.pair_order import pair_order
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
from lightning_spx.reporting.components import COMPONENT_NOTE, component_cells, component_title
from lightning_spx.reporting.conditions import CONDITION_NOTE, condition_cells, condition_title
from lightning_spx.reporting.distributions import distribution_figure
from lightning_spx.reporting.finding_tables import FINDING_NOTE, finding_cells, finding_title
from lightning_spx.reporting.left import LEFT_NOTE, left_cells, left_title
from lightning_spx.reporting.main_table import main_table
from lightning_spx.reporting.pairs import has_pairs, model_names
from lightning_spx.reporting.plan_table import plan_cells, plan_note, plan_title
from lightning_spx.reporting.plans import by_plan, with_plan
from lightning_spx.reporting.reasons import counted_images
from lightning_spx.reporting.rows import PIXEL, numbers_shown, select_rows
from lightning_spx.reporting.terminal import print_answer
from lightning_spx.runs.blocks import files_of
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
        results: the rows of `results.csv`, of one plan or several.
        methods: names of the methods.
        names: names of the models of one repeat, of the first plan.
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
        results: the rows of `results.csv`, of one plan or several.
        names: names of the models of one repeat, of the first plan.
        answer: of the study.
        all_tables: print all tables, not only that of SSIM.
    """
    more = _more_tables(results, names, answer) if all_tables else None
    print_answer(folder, answer, partial(main_table, results, SSIM, "", answer), more)


def _more_tables(results: pd.DataFrame, names: Sequence[str], answer: Answer) -> list[Table | str]:
    more: list[Table | str] = []
    more += _text(plan_cells(results, SSIM, ""), plan_title(SSIM, ""), plan_note(results))
    for plan, own in by_plan(results):
        for metric, setting in numbers_shown(own):
            # print only the last stage of a sanity check
            if (
                metric in ("saliency_ssim", "mege", "topk_overlap", "reco", *LOCALIZATION)
                or setting == FULLY_RANDOMISED
            ):
                more.append(stability_table(own, metric, setting, answer, plan))
                title = with_plan(finding_title(metric, setting), plan)
                more += _text(finding_cells(own, metric, setting), title, FINDING_NOTE)
            title = with_plan(condition_title(metric, setting), plan)
            more += _text(condition_cells(own, metric, setting), title, CONDITION_NOTE)
        more += _text(left_cells(own), left_title(plan), LEFT_NOTE)
        more += _text(component_cells(own, SSIM, ""), component_title(SSIM, "", plan), COMPONENT_NOTE)
        if has_pairs(own, SSIM):
            title = with_plan("SSIM of saliency maps, pair by pair", plan)
            more += _text(pair_cells(own, SSIM, model_names(own, SSIM, names)), title)
    return more


def _text(cells: pd.DataFrame, title: str, note: str = "") -> list[Table]:
    """Make a table of text, if it has rows."""
    return [text_table(cells, title, note)] if len(cells) else []


def _figures(run: RunFolder, results: pd.DataFrame, methods: Sequence[str], names: Sequence[str]) -> dict[str, Figure]:
    figures = {}
    for plan, own in by_plan(results):
        if has_pairs(own, SSIM):
            name = f"pairs_{number_figure(SSIM, '', plan)}"
            models = model_names(own, SSIM, names)
            figures[name] = pairs_figure(own, SSIM, models, pair_order(own, SSIM, len(models)))
        for metric, setting in numbers_shown(own):
            name = number_figure(metric, setting, plan)
            figures[name] = stability_bars(own, metric, setting)
            if metric == "mege":
                figures[f"table_{name}"] = mege_table(own, setting)
        figures |= _distribution(run, own, methods, plan)
    for method in methods:
        examples = Examples.load(Examples.path(run.path, method))
        maps = {name: torch.from_numpy(each) for name, each in example_saliency(examples).items()}
        figures[f"maps_{file_name(method)}"] = map_panel(
            torch.from_numpy(examples.images),
            {name: torch.from_numpy(ids) for name, ids in examples.segments.items()},
            maps.pop(PIXEL),
            maps,
            names,
            with_plan(f"{method}: the same images, explained by {len(names)} models", next(by_plan(results))[0]),
        )
    return figures


def _distribution(run: RunFolder, results: pd.DataFrame, methods: Sequence[str], plan: str) -> dict[str, Figure]:
    """Draw how SSIM is distributed over the images; nothing if no image has a value."""
    folder = run.path / "per_image"
    kinds = [kind for name in methods for kind in image_values(list(files_of(folder, name, plan)), name, SSIM, "")]
    if not kinds:
        return {}
    first = select_rows(results, SSIM, "").iloc[0]
    said = f"{first['models']}, {first['dataset']}, {counted_images(first)}"
    return {f"distribution_{number_figure(SSIM, '', plan)}": distribution_figure(kinds, SSIM, "", said)}
