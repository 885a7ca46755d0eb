"""What a study has found -> files of its run folder, the console and the loggers."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd
from lightning.pytorch.loggers import Logger
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from lightning_spx.reporting import finish, log_config, log_figure, log_scalars, log_table
from lightning_spx.reporting.scalars import scalars_of
from lightning_spx.reporting.tables import print_table
from lightning_spx.runs.files import write_atomic
from lightning_spx.runs.folder import RunFolder


def publish(
    run: RunFolder,
    study: str,
    title: str,
    tables: Mapping[str, pd.DataFrame],
    figures: Mapping[str, Figure],
    printed: Sequence[Table],
    said: Sequence[str],
    loggers: Sequence[Logger],
) -> None:
    """Write tables, figures and sentences, print the latter and send all of it to the loggers.

    Args:
        run: receives `<table>.csv`, `figures/` and `verdicts.json`.
        study: the first part of every name in a logger.
        title: of the study's page.
        tables: by name; `results` holds the rows of `results.csv`.
        figures: by name.
        printed: on the console.
        said: sentences, the most important one first.
        loggers: of the Trainer; none is fine.
    """
    for name, table in tables.items():
        write_atomic(run.path / f"{name}.csv", partial(_to_csv, table=table))
    for name, figure in figures.items():
        write_atomic(run.path / "figures" / f"{name}.png", partial(figure.savefig, dpi=150))
    run.write_json("verdicts.json", {"title": title, "verdicts": list(said)})
    console = Console()
    for each in printed:
        print_table(console, each)
    for sentence in said:
        console.print(sentence, markup=False, highlight=False)
    log_config(loggers, run.config)
    log_scalars(loggers, scalars_of(tables["results"], study))
    for name, table in tables.items():
        # a figure may have the name of its rows, and a dashboard keeps one thing under a name
        log_table(loggers, f"{study}/{name}_rows", table)
    for name, figure in figures.items():
        log_figure(loggers, f"{study}/{name}", figure)
    finish(loggers)


def _to_csv(path: Path, table: pd.DataFrame) -> None:
    table.to_csv(path, index=False)
