"""Publishes what a study has found: figures in its run folder, tables and sentences on the console, all in loggers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
from lightning.pytorch.loggers import Logger
from matplotlib.figure import Figure
from rich.table import Table

from lightning_spx.reporting import finish, log_config, log_figure, log_scalars, log_table
from lightning_spx.reporting.answer import Answer
from lightning_spx.reporting.scalars import scalars_of
from lightning_spx.reporting.sinks import log_text
from lightning_spx.reporting.terminal import print_answer
from lightning_spx.runs.files import write_atomic
from lightning_spx.runs.folder import RunFolder

SCREEN_DPI, PAPER_DPI = 150, 200


@dataclass(frozen=True)
class Findings:
    """What a study has found, in the forms in which it is shown.

    Args:
        study: the first part of every name in a logger.
        results: the rows of `results.csv`.
        tables: the tables that loggers receive, by their names there.
        figures: by the names of their files and in the loggers.
        answer: of the study.
        main: makes the one table for a console of some width.
        more: the other tables and sentences, in this order.
    """

    study: str
    results: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    figures: Mapping[str, Figure]
    answer: Answer
    main: Callable[[int], Table]
    more: Sequence[Table | str]


def publish(run: RunFolder, findings: Findings, loggers: Sequence[Logger]) -> None:
    """Draw the figures of a finished study, and send all of it to the loggers.

    Args:
        run: receives `figures/`.
        findings: of the study.
        loggers: of the Trainer; none is fine.
    """
    for name, figure in findings.figures.items():
        save_figure(run.path / "figures", name, figure)
    log_config(loggers, run.config)
    log_text(loggers, f"{findings.study}/answer", findings.answer.text)
    log_scalars(loggers, scalars_of(findings.results, findings.study))
    for name, table in findings.tables.items():
        log_table(loggers, f"{findings.study}/{name}", table)
    for name, figure in findings.figures.items():
        log_figure(loggers, f"{findings.study}/{name}", figure)
    finish(loggers)


def show(run: RunFolder, findings: Findings, all_tables: bool) -> None:
    """Print the answer of a study, last of all, because whoever reads may stop reading, which ends the command.

    Args:
        run: of the study.
        findings: of the study.
        all_tables: print all tables, not only the one.
    """
    print_answer(run.path, findings.answer, findings.main, findings.more if all_tables else None)


def save_figure(
    folder: Path, name: str, figure: Figure, formats: Sequence[str] = ("png",), dpi: int = SCREEN_DPI
) -> None:
    """Write a figure into a folder once in each format, each file whole or not at all.

    Args:
        folder: receives `<name>.<format>`.
        name: of the files, without an ending.
        figure: what to draw.
        formats: those of matplotlib, such as png, pdf and svg.
        dpi: pixels per inch of the figure's size.
    """
    for ending in formats:
        write_atomic(folder / f"{name}.{ending}", partial(figure.savefig, dpi=dpi))
