"""Turns rows of results into tables for the console."""

import pandas as pd
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lightning_spx.reporting.answer import DIFFERS, DIFFERS_NOTE, Answer
from lightning_spx.reporting.ceilings import CEILING_TERMS, ceiling_note, has_ceiling
from lightning_spx.reporting.cost import COST_NOTE, cost_text, has_cost
from lightning_spx.reporting.cost import HEADING as COST
from lightning_spx.reporting.filter_words import FILTER_NOTE, filters_among
from lightning_spx.reporting.number_words import number_title
from lightning_spx.reporting.plans import plan_of, with_plan
from lightning_spx.reporting.reasons import (
    NO_GAIN_KNOWN,
    counted_images,
    covered,
    excess_text,
    interval_text,
    number_text,
    why_no_verdict,
)
from lightning_spx.reporting.reference_rows import is_reference, with_references
from lightning_spx.reporting.rows import PIXEL, control_kind, has_gain, prefix_of, select_rows, survives

NO_GAIN = "no gain over smoothing"
SURVIVES = "SURVIVES randomisation"
# mean pooling never increases the distance of two maps, so this number says little about the worth of the maps
CONTRACTION_NOTE = (
    " Raw L2: mean pooling is a contraction, so for signed maps and in the order `before` the distance can only fall "
    "and MeGe only rise, whatever the map is worth; in the order `after` it may go either way."
)


UNLIMITED_WIDTH = 10_000


def stability_table(
    results: pd.DataFrame, metric: str, setting: str, answer: Answer | None = None, plan: str = ""
) -> Table:
    """Tabulate one metric with a row for each pixel and S- method, whose best control stands for all.

    Args:
        results: rows of `results.csv`, of one plan.
        metric: the metric to show.
        setting: the setting of the metric.
        answer: of the study; a row whose gain it does not confirm is marked.
        plan: named in the title, in a study of several.

    Raises:
        ValueError: there is no such row, or there are rows of several plans.

    Example:
        >>> row = dict(metric="saliency_ssim", setting="", pair="all", method="Gradient", superpixels="pixel",
        ...     magnitude="either", value=0.2, ci_low=0.1, ci_high=0.3, floor=0.1, excess=0.11, models="2 nets",
        ...     dataset="birds", num_images=10, interval="over images")
        >>> stability_table(pd.DataFrame([row]), "saliency_ssim", "").row_count
        1
    """
    own = with_references(select_rows(results, metric, setting))
    first, ceilings = own.iloc[0], has_ceiling(own)
    table = _empty_table(
        with_plan(number_title(metric, setting), plan),
        f"{first['models']} on {first['dataset']}, {counted_images(first)}; "
        f"95 % intervals {covered(own)}. Excess: 0 is chance (the floor), 1 is perfect."
        f"{ceiling_note() if ceilings else ''}{COST_NOTE if has_cost(own) else ''}"
        f"{CONTRACTION_NOTE if setting == 'distance=l2_raw' else ''}"
        f"{f' {FILTER_NOTE.capitalize()}.' if filters_among(results) else ''}",
    )
    for heading in ("method", "super-pixels", "order"):
        table.add_column(heading, no_wrap=True)
    if has_cost(own):
        table.add_column(COST, justify="right", no_wrap=True)
    for heading in ("value", "floor", "excess", *(CEILING_TERMS if ceilings else ()), "gain over best control"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    lines = [_row(row, ceilings, has_cost(own)) for _, row in own.iterrows()]
    if answer is not None:
        lines = [
            [*line[:-1], answer.said(metric, str(row["method"]), line[-1], plan_of(row))]
            for line, (_, row) in zip(lines, own.iterrows(), strict=True)
        ]
    if any(line[-1] == DIFFERS for line in lines):
        table.caption = Text("\n".join([str(table.caption), *DIFFERS_NOTE]))
    for line in lines:
        table.add_row(*map(Text, line))
    return table


def text_table(cells: pd.DataFrame, title: str, caption: str = "") -> Table:
    """Make a table for the console from cells of text.

    Args:
        cells: headings and cells.
        title: text above the table.
        caption: text below the table.

    Example:
        >>> text_table(pd.DataFrame({"method": ["Gradient"]}), "one").row_count
        1
    """
    table = _empty_table(title, caption)
    for heading in cells.columns:
        table.add_column(Text(str(heading)), no_wrap=True)
    for _, row in cells.iterrows():
        table.add_row(*(Text(str(cell)) for cell in row))
    return table


def _empty_table(title: str, caption: str) -> Table:
    # Text takes the brackets of an interval or of a data set's names as they are, not as markup
    return Table(
        title=Text(title),
        caption=Text(caption),
        title_justify="left",
        caption_justify="left",
        box=SIMPLE,
        pad_edge=False,
    )


def method_name(row: pd.Series) -> str:
    """Name a row's method as the tables do: pooled methods carry the prefix `S-`.

    Example:
        >>> method_name(pd.Series({"method": "Gradient", "superpixels": "Slic"}))
        'S-Gradient'
    """
    return f"{prefix_of(row['superpixels'])}{row['method']}"


def verdict(row: pd.Series) -> str:
    """Say whether an S- row beats all of its controls, or a map survives randomisation.

    Pixel rows, and references that no model has made, have no verdict.

    A row that cannot have a verdict, such as one of blank maps, gets the reason instead.

    Example:
        >>> row = dict(metric="mege", superpixels="Slic", gain_low=0.1, floor=0.2, excess=0.3)
        >>> verdict(pd.Series(row)), verdict(pd.Series({**row, "gain_low": -0.1}))
        ('gain', 'no gain over smoothing')
    """
    why = why_no_verdict(row)
    if why:
        return why
    if row["metric"] == "sanity_ssim":
        return SURVIVES if survives(row) else ""
    if row["superpixels"] == PIXEL or is_reference(str(row["superpixels"])):
        return ""
    if pd.isna(row["gain_low"]) and pd.isna(row.get("gain", 0.0)):
        return NO_GAIN_KNOWN
    return "gain" if has_gain(row) else NO_GAIN


def _row(row: pd.Series, ceilings: bool, costs: bool) -> list[str]:
    common = [
        method_name(row),
        str(row["superpixels"]),
        str(row["magnitude"]),
        *([cost_text(row)] if costs else []),
        interval_text(row),
        number_text(row["floor"]),
        excess_text(row),
        *([number_text(row["ceiling"]), excess_text(row, "normalised")] if ceilings else []),
    ]
    if row["superpixels"] == PIXEL or is_reference(str(row["superpixels"])) or row["metric"] == "sanity_ssim":
        return [*common, "", verdict(row)]
    common[1] += f", {row['mean_segments']:.0f}"
    if pd.isna(row["gain"]):
        return [*common, number_text(row["gain"]), verdict(row)]
    control = control_kind(str(row["best_control"]))
    gain = f"{row['gain']:+.3f} [{row['gain_low']:+.3f}, {row['gain_high']:+.3f}] {control:>8}"
    return [*common, gain, verdict(row)]


def print_table(console: Console, table: Table) -> None:
    """Print a table in its full width; Rich takes a log file to be 80 columns wide and would cut the numbers off."""
    console.width = max(console.width, Console(width=UNLIMITED_WIDTH).measure(table).maximum)
    console.print(table)
