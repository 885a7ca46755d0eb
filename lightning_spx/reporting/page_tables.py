"""Makes the tables of a study's page: those of numbers, which have controls and findings, and smaller ones of text."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from lightning_spx.reporting.answer import DIFFERS, DIFFERS_NOTE, Answer
from lightning_spx.reporting.ceilings import CEILING_TERMS, ceiling_note, has_ceiling
from lightning_spx.reporting.components import COMPONENT_NOTE, component_cells, component_title
from lightning_spx.reporting.conditions import CONDITION_NOTE, condition_cells, condition_title
from lightning_spx.reporting.cost import COST_NOTE, cost_text, cost_value, has_cost
from lightning_spx.reporting.cost import HEADING as COST
from lightning_spx.reporting.finding_tables import FINDING_NOTE, finding_rows, finding_title
from lightning_spx.reporting.left import LEFT_NOTE, left_cells, left_title
from lightning_spx.reporting.matched import MATCHED_GAIN, matched_cells
from lightning_spx.reporting.matched import NOTE as MATCHED_NOTE
from lightning_spx.reporting.matched import TITLE as MATCHED
from lightning_spx.reporting.number_words import number_title
from lightning_spx.reporting.plan_table import plan_cells, plan_note, plan_title
from lightning_spx.reporting.plans import by_plan, plan_of, with_plan
from lightning_spx.reporting.reasons import counted_images, covered
from lightning_spx.reporting.reference_rows import is_reference
from lightning_spx.reporting.rows import control_kind, is_control, label_of, numbers_shown, select_rows
from lightning_spx.reporting.tables import CONTRACTION_NOTE, method_name, verdict

MISSING = "\N{EN DASH}"
MAIN = ("saliency_ssim", "")
HEADINGS = (
    *("method", "super-pixels", "order", "value", "floor", "excess", "gain over best control", "verdict"),
    *("best control", "segments", "images (dropped)"),
)
# of the columns of ceilings, which not every study has
CEILINGS_AFTER = HEADINGS.index("excess") + 1


@dataclass(frozen=True)
class Cell:
    """A cell; `sort` is what its column is sorted by where that is not the text, and `kind` a class of its style."""

    text: str
    sort: float | str = ""
    interval: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Row:
    """A row of a table."""

    cells: Sequence[Cell]
    control: bool = False
    gains: bool = False


@dataclass(frozen=True)
class PageTable:
    """A table with its note.

    Args:
        title: of the table.
        headings: of its columns.
        rows: its rows.
        note: text below it.
        above: heading above it, which tells it from others of the same number; empty for none.
        unconfirmed: why the answer does not confirm the gain of some rows; empty for none.
        findings: the same number finding by finding, in a study that has some.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Row]
    note: str
    above: str = ""
    unconfirmed: str = ""
    findings: "PageTable | None" = None


def page_tables(results: pd.DataFrame, answer: Answer) -> tuple[list[PageTable], list[PageTable]]:
    """Make the main tables, which are those of SSIM or else the longest one, and the others.

    Args:
        results: rows of `results.csv`, of any plans and conditions.
        answer: of the study.

    Returns:
        A main table for each plan, after one that compares plans if there are several; and the others, plan by plan.

    Example:
        >>> page_tables(pd.DataFrame(columns=["pair", "metric", "setting"]), Answer("birds", []))
        ([], [])
    """
    main: list[PageTable] = []
    others: list[PageTable] = []
    for plan, own in by_plan(results):
        numbers = [number for number in numbers_shown(own) if number[0] != MATCHED_GAIN]
        tables = {number: number_table(own, *number, answer, plan) for number in numbers}
        if tables:
            longest = max(tables, key=lambda number: len(tables[number].rows))
            main.append(tables.pop(MAIN if MAIN in tables else longest))
        others += text_tables(matched_cells(own), MATCHED, MATCHED_NOTE)
        others += text_tables(left_cells(own), left_title(plan), LEFT_NOTE)
        others += tables.values()
        for metric, setting in numbers:
            cells, title = condition_cells(own, metric, setting), condition_title(metric, setting)
            others += text_tables(cells, with_plan(title, plan), CONDITION_NOTE)
        if MAIN in numbers:
            others += text_tables(component_cells(own, *MAIN), component_title(*MAIN, plan), COMPONENT_NOTE)
    if len(main) > 1 and all(MAIN in numbers_shown(own) for _, own in by_plan(results)):
        main = [*text_tables(plan_cells(results, *MAIN), plan_title(*MAIN), plan_note(results)), *main]
    return main, others


def number_table(results: pd.DataFrame, metric: str, setting: str, answer: Answer, plan: str = "") -> PageTable:
    """Make the table of a number, with its controls.

    Args:
        results: rows of `results.csv`, of one plan.
        metric: which of its metrics.
        setting: which of the metric's settings.
        answer: of the study; a row whose gain it does not confirm is marked.
        plan: named in the title, in a study of several.

    Raises:
        ValueError: there is no such row, or there are rows of several plans.
    """
    rows = select_rows(results, metric, setting)
    first, ceilings, costs = rows.iloc[0], has_ceiling(rows), has_cost(rows)
    note = (
        f"{first['models']} on {first['dataset']}; 95 % intervals {covered(rows)}.{_left_out(rows)}"
        f"{ceiling_note() if ceilings else ''}{COST_NOTE if costs else ''}"
        f"{CONTRACTION_NOTE if setting == 'distance=l2_raw' else ''}"
    )
    of_table = [
        _row(row, answer.said(metric, str(row["method"]), verdict(row), plan_of(row)), ceilings, costs)
        for _, row in rows.iterrows()
    ]
    differs = any(cell.text == DIFFERS for row in of_table for cell in row.cells)
    return PageTable(
        title=with_plan(number_title(metric, setting), plan),
        headings=_headings(ceilings, costs),
        rows=of_table,
        note=note,
        above=f"{plan}: {first['models']}" if plan else "",
        unconfirmed=f"gain{' '.join(line.strip() for line in DIFFERS_NOTE)}." if differs else "",
        findings=_findings(results, metric, setting, ceilings, costs),
    )


def text_tables(cells: pd.DataFrame, title: str, note: str) -> list[PageTable]:
    """Make a table of cells of text; none if there are no cells.

    Example:
        >>> (table,) = text_tables(pd.DataFrame({"seeds": ["0.500 [0.400, 0.600] (40)"]}), "plans", "excess")
        >>> table.rows[0].cells[0].sort, table.rows[0].cells[0].interval
        (0.5, '[0.400, 0.600] (40)')
    """
    rows = [Row([_text(str(cell)) for cell in row]) for _, row in cells.iterrows()]
    return [PageTable(title, list(map(str, cells.columns)), rows, note)] if rows else []


def _text(text: str) -> Cell:
    number, _, limits = text.partition(" [")
    try:
        return Cell(number, float(number), f"[{limits}" if limits else "")
    except ValueError:
        # missing numbers sort last
        return Cell(text, math.inf if text in ("", MISSING) else "")


def _headings(ceilings: bool, costs: bool) -> tuple[str, ...]:
    added = tuple(CEILING_TERMS) if ceilings else ()
    cost = (COST,) if costs else ()
    return (*HEADINGS[:CEILINGS_AFTER], *added, *HEADINGS[CEILINGS_AFTER:-1], *cost, HEADINGS[-1])


def _findings(results: pd.DataFrame, metric: str, setting: str, ceilings: bool, costs: bool) -> PageTable | None:
    """Return the table for each finding, or None for a study of classes."""
    rows = finding_rows(results, metric, setting)
    if rows.empty:
        return None
    found = [_row(row, verdict(row), ceilings, costs, [Cell(str(row["finding"]))]) for _, row in rows.iterrows()]
    return PageTable(finding_title(metric, setting), ("finding", *_headings(ceilings, costs)), found, FINDING_NOTE)


def _left_out(rows: pd.DataFrame) -> str:
    """Say which images a table counts and why it leaves out the others; nothing if it counts all."""
    said = dict.fromkeys(counted_images(row) for _, row in rows.iterrows() if row["num_dropped"] > 0)
    return "".join(f" {sentence}." for sentence in said)


def _row(row: pd.Series, verdict: str, ceilings: bool, costs: bool, before: Sequence[Cell] = ()) -> Row:
    control = is_control(str(row["superpixels"]))
    reference = is_reference(str(row["superpixels"]))
    said = "" if control else verdict
    cells = [
        *before,
        Cell("control" if control else "no model" if reference else method_name(row), f"{row['method']} {control}"),
        Cell(label_of(str(row["superpixels"])) if reference else str(row["superpixels"])),
        Cell(str(row["magnitude"])),
        _interval(row, "value", "ci"),
        _number(row["floor"]),
        _interval(row, "excess", "excess"),
        *([_number(row["ceiling"]), _interval(row, "normalised", "normalised")] if ceilings else []),
        _interval(row, "gain", "gain", "+"),
        Cell(said, kind="said"),
        Cell(_control_name(row)),
        _number(row["mean_segments"], 0),
        *([_cost(row)] if costs else []),
        Cell(f"{row['num_images']} ({row['num_dropped']})", float(row["num_images"])),
    ]
    return Row(cells, control, said == "gain")


def _control_name(row: pd.Series) -> str:
    name = row["best_control"]
    return control_kind(name) if isinstance(name, str) else ""


def _cost(row: pd.Series) -> Cell:
    text = cost_text(row)
    return Cell(text, cost_value(row)) if text else Cell(MISSING, math.inf)


def _number(value: float, digits: int = 3) -> Cell:
    # missing numbers sort last
    return Cell(MISSING, math.inf) if pd.isna(value) else Cell(f"{value:.{digits}f}", float(value))


def _interval(row: pd.Series, name: str, of: str, sign: str = "") -> Cell:
    value, low, high = (row.get(column, math.nan) for column in (name, f"{of}_low", f"{of}_high"))
    if pd.isna(value):
        return Cell(MISSING, math.inf)
    limits = "" if pd.isna(low) and pd.isna(high) else f"[{low:{sign}.3f}, {high:{sign}.3f}]"
    return Cell(f"{value:{sign}.3f}", float(value), limits)
