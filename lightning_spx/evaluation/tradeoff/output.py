"""What a trade-off shows: Table 2 and the recommendation on the console, figures in the folder, both in the loggers."""

from collections.abc import Sequence
from functools import partial

import pandas as pd
from lightning.pytorch.loggers import Logger
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from lightning_spx.evaluation.console import print_table
from lightning_spx.evaluation.run_folder import RunFolder, write_atomic
from lightning_spx.evaluation.scalars import scalars_of
from lightning_spx.reporting import (
    finish,
    front_figure,
    log_config,
    log_figure,
    log_scalars,
    log_table,
    table_figure,
    tradeoff_cells,
    tradeoff_table,
)

AXES = {
    "road": "fidelity: ROAD, (LeRF - MoRF) / 2",
    "insertion": "fidelity: insertion, blurred substrate",
    "deletion": "fidelity: minus deletion, blurred substrate",
}


def report_tradeoff(
    run: RunFolder,
    results: pd.DataFrame,
    front: pd.DataFrame,
    said: Sequence[str],
    quality: pd.DataFrame | None,
    against: str,
    loggers: Sequence[Logger],
) -> None:
    """Write tables, figures and sentences of a finished trade-off, print them and send them to the loggers.

    Args:
        run: receives `results.csv`, `front.csv`, `verdicts.json`, `figures/` and, with `quality`, `partitions.csv`.
        results: the rows of `results.csv`.
        front: the rows of `front.csv`.
        said: sentences, the most important one first.
        quality: of the partitions, or None.
        against: the fidelity on the front's axis.
        loggers: of the Trainer; none is fine.
    """
    first = results.iloc[0]
    caption = f"{first['models']} on {first['dataset']}, {first['num_images']} images; 95 % intervals over images"
    tables = {"results": results, "front": front}
    figures: dict[str, Figure] = {
        "front": front_figure(front, AXES[against], caption),
        "table_tradeoff": table_figure(tradeoff_cells(results, front), f"Stability against fidelity, {caption}"),
    }
    if quality is not None:
        tables["partitions"] = quality
        figures["table_partitions"] = table_figure(quality.round(3), "Partitions against the borders of BSDS500")
    for name, table in tables.items():
        write_atomic(run.path / f"{name}.csv", partial(_to_csv, table=table))
    for name, figure in figures.items():
        write_atomic(run.path / "figures" / f"{name}.png", partial(figure.savefig, dpi=150))
    title = f"Stability against fidelity: {first['models']} on {first['dataset']}"
    run.write_json("verdicts.json", {"title": title, "verdicts": list(said)})
    console = Console()
    print_table(console, tradeoff_table(results, front, caption))
    if quality is not None:
        print_table(console, _plain_table(quality.round(3)))
    for sentence in said:
        console.print(sentence, markup=False, highlight=False)
    log_config(loggers, run.config)
    log_scalars(loggers, scalars_of(results, "tradeoff"))
    for name, table in tables.items():
        # a figure has the name of its rows, and a dashboard keeps one thing under a name
        log_table(loggers, f"tradeoff/{name}_rows", table)
    for name, figure in figures.items():
        log_figure(loggers, f"tradeoff/{name}", figure)
    finish(loggers)


def _to_csv(path: object, table: pd.DataFrame) -> None:
    table.to_csv(str(path), index=False)


def _plain_table(cells: pd.DataFrame) -> Table:
    table = Table(*[str(name) for name in cells.columns], title="Partitions against the borders of BSDS500")
    for _, row in cells.iterrows():
        table.add_row(*(str(cell) for cell in row))
    return table
