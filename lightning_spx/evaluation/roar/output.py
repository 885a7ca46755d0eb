"""Makes the table, curves and sentences of a remove-and-retrain study, and publishes them."""

from collections.abc import Sequence

import pandas as pd
from lightning.pytorch.loggers import Logger
from rich.table import Table

from lightning_spx.evaluation.publish import Findings, publish, write_verdicts
from lightning_spx.evaluation.roar.summary import roar_sentences
from lightning_spx.reporting import removal_cells, removal_curves, table_figure, text_table
from lightning_spx.runs.files import write_table
from lightning_spx.runs.folder import RESULTS_FILE, RunFolder


def report_roar(run: RunFolder, results: pd.DataFrame, num_classes: int, loggers: Sequence[Logger]) -> None:
    """Write results, figures and sentences of a finished study, print them and send them to the loggers.

    Args:
        run: receives `results.csv`, `verdicts.json` and `figures/`.
        results: rows as `roar_results` gives them.
        num_classes: number of classes in the data.
        loggers: the Trainer's loggers; there may be none.
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
    sentences = roar_sentences(results, num_classes)
    write_table(run.path / RESULTS_FILE, results)
    write_verdicts(run, f"{kind}: {first['models']} on {first['dataset']}", sentences)
    printed: list[Table | str] = [text_table(cells, f"{kind}: accuracy after retraining", caption), *sentences]
    publish(run, Findings("roar", results, {"results_rows": results}, figures, printed), loggers)
