"""Makes Table 2, the figures and the sentences of a trade-off, and publishes them."""

from collections.abc import Sequence
from functools import partial

import pandas as pd
from lightning.pytorch.loggers import Logger
from matplotlib.figure import Figure
from rich.table import Table

from lightning_spx.evaluation.publish import Findings, publish
from lightning_spx.evaluation.tradeoff.partitions import partition_cells
from lightning_spx.reporting import front_figure, table_figure, text_table, tradeoff_cells
from lightning_spx.reporting.answer import Answer
from lightning_spx.reporting.fitted_table import fitted_table
from lightning_spx.reporting.left import LEFT_NOTE, left_cells, left_title
from lightning_spx.reporting.matched import FIDELITY, NOTE, matched_cells
from lightning_spx.reporting.matched import TITLE as MATCHED
from lightning_spx.reporting.tradeoff_table import STABILITY_HEADING, fidelity_heading
from lightning_spx.runs.files import write_table
from lightning_spx.runs.folder import ANSWER_FILE, RunFolder

TITLE = "Stability against fidelity"
QUALITY = "Partitions against the borders of BSDS500"
PARTITIONS = "Partitions without ground truth"
PARTITION_LEGEND = (
    "explained variation: of the images' variance, the share between segments; rises with their number\n"
    "global regularity: 1 if all segments are the same square, hexagon or disk"
)
LEGEND = (
    "excess: of SSIM over its floor; 0 is the floor, 1 is a perfect match\n"
    "*: beats every smoothing control; \N{BULLET}: on the front of stability against fidelity\n"
    "after/before: super-pixels pool signed values, or magnitudes"
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
    answer: Answer,
    partitions: pd.DataFrame | None,
    quality: pd.DataFrame | None,
    against: str,
    loggers: Sequence[Logger],
) -> Findings:
    """Write tables, figures and sentences of a finished trade-off and send them to the loggers.

    Args:
        run: receives `results.csv`, `front.csv`, `verdicts.json`, `figures/`, with `partitions` also
            `partition_quality.csv`, and with `quality` also `partitions.csv`.
        results: the rows of `results.csv`.
        front: the rows of `front.csv`.
        answer: of the study.
        partitions: what is known of segments without ground truth; None if an earlier version measured the study.
        quality: how well segments follow the borders of BSDS500; None if that was not measured.
        against: the measure of fidelity on the front's axis.
        loggers: the Trainer's loggers; there may be none.

    Returns:
        What was published, to be printed.
    """
    first = results.iloc[0]
    caption = f"{first['models']} on {first['dataset']}, {first['num_images']} images; 95 % intervals over images"
    cells = tradeoff_cells(results, front)
    tables = {"results": results, "front": front}
    figures: dict[str, Figure] = {
        "front": front_figure(front, AXES[against], caption),
        "table_tradeoff": table_figure(cells, f"{TITLE}, {caption}"),
    }
    legend = f"{caption}\n{LEGEND}"
    more: list[Table | str] = [text_table(cells, TITLE, legend)]
    matched = matched_cells(results)
    if len(matched):
        more.append(text_table(matched, MATCHED, NOTE))
    left = left_cells(results)
    if len(left):
        more.append(text_table(left, left_title(), LEFT_NOTE))
    if partitions is not None:
        tables["partition_quality"] = partitions
        known = partition_cells(partitions)
        figures["table_partition_quality"] = table_figure(known, f"{PARTITIONS}, {caption}")
        more.append(text_table(known, PARTITIONS, PARTITION_LEGEND))
    if quality is not None:
        tables["partitions"] = quality
        figures["table_partitions"] = table_figure(quality.round(3), QUALITY)
        more.append(text_table(quality.round(3), QUALITY))
    for name, table in tables.items():
        write_table(run.path / f"{name}.csv", table)
    run.write_json(ANSWER_FILE, answer.content())
    # a figure may have the same name as its rows, but a dashboard keeps only one thing under a name
    rows = {f"{name}_rows": table for name, table in tables.items()}
    # the two numbers that the answer is about stand first, where a narrow terminal does not leave them out
    first_columns = [*cells.columns[:3], STABILITY_HEADING, fidelity_heading(*FIDELITY[against])]
    ordered = cells[[*first_columns, *(name for name in cells.columns if name not in first_columns)]]
    main = partial(fitted_table, ordered, TITLE, legend)
    findings = Findings("tradeoff", results, rows, figures, answer, main, more)
    publish(run, findings, loggers)
    return findings
