"""Makes Table 2, the figures and the sentences of a trade-off, and publishes them."""

from collections.abc import Sequence

import pandas as pd
from lightning.pytorch.loggers import Logger
from matplotlib.figure import Figure

from lightning_spx.evaluation.publish import Findings, publish, write_verdicts
from lightning_spx.reporting import front_figure, table_figure, text_table, tradeoff_cells
from lightning_spx.runs.files import write_table
from lightning_spx.runs.folder import RunFolder

TITLE = "Stability against fidelity"
QUALITY = "Partitions against the borders of BSDS500"
LEGEND = "excess: stability over its floor (0 is chance, 1 is perfect). * beats every control; \N{BULLET} on the front."
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
        quality: how well segments follow the borders of BSDS500; None if that was not measured.
        against: the measure of fidelity on the front's axis.
        loggers: the Trainer's loggers; there may be none.
    """
    first = results.iloc[0]
    caption = f"{first['models']} on {first['dataset']}, {first['num_images']} images; 95 % intervals over images"
    cells = tradeoff_cells(results, front)
    tables = {"results": results, "front": front}
    figures: dict[str, Figure] = {
        "front": front_figure(front, AXES[against], caption),
        "table_tradeoff": table_figure(cells, f"{TITLE}, {caption}"),
    }
    printed = [text_table(cells, TITLE, f"{LEGEND} {caption}")]
    if quality is not None:
        tables["partitions"] = quality
        figures["table_partitions"] = table_figure(quality.round(3), QUALITY)
        printed.append(text_table(quality.round(3), QUALITY))
    for name, table in tables.items():
        write_table(run.path / f"{name}.csv", table)
    write_verdicts(run, f"{TITLE}: {first['models']} on {first['dataset']}", said)
    # a figure may have the same name as its rows, but a dashboard keeps only one thing under a name
    rows = {f"{name}_rows": table for name, table in tables.items()}
    publish(run, Findings("tradeoff", results, rows, figures, [*printed, *said]), loggers)
