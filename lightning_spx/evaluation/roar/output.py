"""What a remove-and-retrain study shows: a table of accuracies, curves, sentences; in the folder and in the loggers."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd
from lightning.pytorch.loggers import Logger
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lightning_spx.evaluation.console import print_table
from lightning_spx.evaluation.roar.summary import roar_sentences
from lightning_spx.evaluation.run_folder import RunFolder, write_atomic
from lightning_spx.evaluation.scalars import scalars_of
from lightning_spx.reporting import (
    finish,
    log_config,
    log_figure,
    log_scalars,
    log_table,
    removal_cells,
    removal_curves,
    table_figure,
)


def report_roar(run: RunFolder, results: pd.DataFrame, num_classes: int, loggers: Sequence[Logger]) -> None:
    """Write results, figures and sentences of a finished study, print them and send them to the loggers.

    Args:
        run: receives `results.csv`, `verdicts.json` and `figures/`.
        results: of `roar_results`.
        num_classes: of the data.
        loggers: of the Trainer; none is fine.
    """
    first = results.iloc[0]
    kind = str(first["metric"]).partition("_")[0].upper()
    caption = (
        f"{first['models']} on {first['dataset']}, {first['num_images']} test images; intervals {first['interval']}"
    )
    cells = removal_cells(results)
    figures = {
        "curves": removal_curves(results, 1 / num_classes, f"{kind}: {caption}"),
        "table_accuracy": table_figure(cells, f"{kind}, accuracy after retraining: {caption}"),
    }

    def save(path: Path) -> None:
        results.to_csv(path, index=False)

    write_atomic(run.path / "results.csv", save)
    for name, figure in figures.items():
        write_atomic(run.path / "figures" / f"{name}.png", partial(figure.savefig, dpi=150))
    said = roar_sentences(results, num_classes)
    run.write_json("verdicts.json", {"title": f"{kind}: {first['models']} on {first['dataset']}", "verdicts": said})
    table = Table(title=Text(f"{kind}: accuracy after retraining"), caption=Text(caption), box=SIMPLE)
    for name in cells.columns:
        table.add_column(Text(str(name)), no_wrap=True)
    for _, row in cells.iterrows():
        table.add_row(*(Text(str(cell)) for cell in row))
    console = Console()
    print_table(console, table)
    for sentence in said:
        console.print(sentence, markup=False, highlight=False)
    log_config(loggers, run.config)
    log_scalars(loggers, scalars_of(results, "roar"))
    log_table(loggers, "roar/results_rows", results)
    for name, figure in figures.items():
        log_figure(loggers, f"roar/{name}", figure)
    finish(loggers)
