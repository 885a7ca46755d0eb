"""Makes the table, curves and sentences of a remove-and-retrain study, and publishes them."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
from lightning.pytorch.loggers import Logger

from lightning_spx.evaluation.publish import Findings, publish
from lightning_spx.evaluation.roar.summary import roar_sentences
from lightning_spx.evaluation.training.study_models import accuracies_in_words
from lightning_spx.reporting import removal_cells, removal_curves, table_figure, text_table
from lightning_spx.reporting.answer import Answer
from lightning_spx.reporting.fitted_table import fitted_table
from lightning_spx.runs.files import write_table
from lightning_spx.runs.folder import ANSWER_FILE, RESULTS_FILE, RunFolder


def report_roar(
    run: RunFolder,
    results: pd.DataFrame,
    num_classes: int,
    models: Mapping[str, Mapping[str, Any]],
    loggers: Sequence[Logger],
) -> Findings:
    """Write results, figures and sentences of a finished study and send them to the loggers.

    Args:
        run: receives `results.csv`, `verdicts.json` and `figures/`.
        results: rows as `roar_results` gives them.
        num_classes: number of classes in the data.
        models: facts about the explained model, by its name.
        loggers: the Trainer's loggers; there may be none.

    Returns:
        What was published, to be printed.
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
    lines, warned = accuracies_in_words(models)
    title = f"{kind}: {first['models']} on {first['dataset']}"
    answer = Answer(title, roar_sentences(results, num_classes), lines, warned)
    heading = f"{kind}: accuracy after retraining"
    write_table(run.path / RESULTS_FILE, results)
    run.write_json(ANSWER_FILE, answer.content())
    main, more = partial(fitted_table, cells, heading, caption), [text_table(cells, heading, caption)]
    findings = Findings("roar", results, {"results_rows": results}, figures, answer, main, more)
    publish(run, findings, loggers)
    return findings
