"""Makes the tables and figures of an ensemble study, and publishes them."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

import pandas as pd
from lightning.pytorch.loggers import Logger
from rich.table import Table

from lightning_spx.evaluation.ensemble.answer import interval_words
from lightning_spx.evaluation.ensemble.group_maps import METRICS, SSIM
from lightning_spx.evaluation.ensemble.summary import Summary
from lightning_spx.evaluation.publish import Findings, publish
from lightning_spx.reporting.answer import Answer
from lightning_spx.reporting.averaging import averaging_cells, averaging_figure
from lightning_spx.reporting.fitted_table import fitted_table
from lightning_spx.reporting.number_words import number_label
from lightning_spx.reporting.tables import text_table
from lightning_spx.runs.files import file_name, write_table
from lightning_spx.runs.folder import ANSWER_FILE, RunFolder

LEGEND = (
    "m = 1, 2, ...: excess of mean maps of m models over the floor: 0 is chance,\n"
    "   1 a perfect match\n"
    "worth: so many models' maps by pixel averaged agree as far as one pooled map,\n"
    "   by Spearman and Brown's formula; beside it that of its best smoothing control\n"
    "predicted: by that formula from m = 1 for the largest m\n"
    "after/before: signed values are pooled and averaged, or magnitudes"
)


def report_ensemble(run: RunFolder, summary: Summary, answer: Answer, loggers: Sequence[Logger]) -> Findings:
    """Write tables, figures and sentences of a finished study and send them to the loggers.

    Args:
        run: receives `results.csv`, `ensemble.csv`, `verdicts.json` and `figures/`.
        summary: what the study has measured.
        answer: of the study.
        loggers: the Trainer's loggers; there may be none.

    Returns:
        What was published, to be printed.
    """
    write_table(run.path / "results.csv", summary.results)
    write_table(run.path / "ensemble.csv", summary.curves)
    run.write_json(ANSWER_FILE, answer.content())
    first = summary.results.iloc[0]
    caption = f"{first['models']} on {first['dataset']}, {first['num_images']} images"
    drawn = f"{caption}; {interval_words(summary.results)}"
    figures = {
        figure_name(metric): averaging_figure(summary.curves[summary.curves["metric"] == metric], drawn)
        for metric in METRICS
    }
    more: list[Table | str] = [
        text_table(_cells(summary, metric), _title(metric)) for metric in METRICS if metric != SSIM
    ]
    main = partial(fitted_table, _cells(summary, SSIM), _title(SSIM), f"{caption}\n{LEGEND}")
    tables = {"results": summary.results, "ensemble": summary.curves}
    findings = Findings("ensemble", summary.results, tables, figures, answer, main, more)
    publish(run, findings, loggers)
    return findings


def figure_name(metric: str) -> str:
    """Name the figure of a metric, without the ending of its file."""
    return file_name(f"averaging_{metric}")


def _title(metric: str) -> str:
    label = number_label(metric, METRICS[metric])
    return f"Mean maps of m models against those of m others: {label}"


def _cells(summary: Summary, metric: str) -> pd.DataFrame:
    worths = pd.DataFrame([asdict(each) for each in summary.worths if each.metric == metric])
    return averaging_cells(summary.curves[summary.curves["metric"] == metric], worths)
