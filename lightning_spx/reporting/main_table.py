"""The one table that a study prints: it fits into the terminal, and nothing in it wraps."""

from typing import Literal

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from lightning_spx.reporting.answer import DIFFERS, DIFFERS_NOTE, Answer
from lightning_spx.reporting.ceilings import CEILING_TERMS, has_ceiling
from lightning_spx.reporting.cost import HEADING as COST
from lightning_spx.reporting.cost import cost_text
from lightning_spx.reporting.filter_words import FILTER_NOTE, filters_among
from lightning_spx.reporting.number_words import number_title
from lightning_spx.reporting.plans import by_plan, plan_of
from lightning_spx.reporting.reasons import counted_images, covered, excess_text, number_text
from lightning_spx.reporting.reference_rows import is_reference, with_references
from lightning_spx.reporting.rows import AFTER, BEFORE, EITHER, PIXEL, control_kind, is_as_given, label_of, select_rows
from lightning_spx.reporting.tables import NO_GAIN, verdict

SHORT_TITLES = {"saliency_ssim": "SSIM", "topk_overlap": "overlap", "mege": "MeGe", "reco": "ReCo"}
TERMS = {
    "floor": "what maps with nothing in common would get",
    "excess": "0 is the floor, 1 is a perfect match",
    "gain": "excess above that of the best smoothing control, with its interval",
    COST: "evaluations of the network for one map, forward + backward",
    **CEILING_TERMS,
    AFTER: "super-pixels pool signed values, and the magnitude is taken after that",
    BEFORE: "super-pixels pool magnitudes, taken before that",
}
# columns for wider terminals, the first to be added first
WIDER = (COST, "interval", "best control", "normalised", "ceiling", "excess interval")
# columns of words; numbers are right aligned
WORDS = ("map", "best control", "verdict")
HEADINGS = {"map": "", "verdict": "", "interval": "95 % interval", "excess interval": "95 % interval"}
GAP = 2
LEAST_NAME = 12


def main_table(results: pd.DataFrame, metric: str, setting: str, answer: Answer | None, width: int) -> Table:
    """Tabulate one metric within a width: a method's pixel map, and its S- rows indented below it.

    A study of several plans has a block for each, one below the other in the same columns.

    Args:
        results: rows of `results.csv`.
        metric: the metric to show.
        setting: the setting of the metric.
        answer: of the study; a row whose gain it does not confirm is marked.
        width: columns of the terminal. Wider ones show the value's interval, the best control, and more. Names that
            are too long are cut; numbers are not, so that a table with many digits may be wider than 80 columns.

    Raises:
        ValueError: there is no such row.

    Example:
        >>> row = dict(metric="saliency_ssim", setting="", pair="all", method="Gradient", superpixels="pixel",
        ...     magnitude="either", value=0.2, ci_low=0.1, ci_high=0.3, floor=0.1, excess=0.11, models="2 nets",
        ...     dataset="birds", num_images=10, interval="over images")
        >>> main_table(pd.DataFrame([row]), "saliency_ssim", "", answer=None, width=80).row_count
        1
    """
    blocks = {plan: with_references(select_rows(own, metric, setting)) for plan, own in by_plan(results)}
    rows = pd.concat(blocks.values())
    ceilings = has_ceiling(rows)
    lines = {plan: [_line(row, metric, answer, ceilings) for _, row in own.iterrows()] for plan, own in blocks.items()}
    every = [line for own in lines.values() for line in own]
    reasons = list(dict.fromkeys(line["verdict"] for line in every if line["verdict"] not in ("", "gain", DIFFERS)))
    for line in every:
        if line["verdict"] in reasons:
            line["verdict"] = f"({reasons.index(line['verdict']) + 1})"
    columns = [name for name in every[0] if name not in WIDER and any(line[name] for line in every)]
    for name in WIDER:
        tried = [each for each in every[0] if each in (*columns, name)]
        if any(line[name] for line in every) and _width(every, tried) <= width:
            columns = tried
    room = max(LEAST_NAME, width - _width(every, columns[1:]) - GAP)
    names = {line["map"]: shortened(line["map"], room) for line in every}
    # a table that is too wide is better than two rows of one name
    apart = len(set(names.values())) == len(names)
    for line in every:
        line["map"] = names[line["map"]] if apart else line["map"]
    tables = {plan: _block(own, columns, metric, _widths(every, columns)) for plan, own in lines.items()}
    table = next(iter(tables.values()))
    if len(tables) > 1:
        table = Table.grid()
        for plan, block in tables.items():
            if table.row_count:
                table.add_row()
            table.add_row(Text(f"{plan}: {blocks[plan]['models'].iloc[0]}", "bold"))
            table.add_row(block)
    table.title, table.title_justify = Text(number_title(metric, setting)), "left"
    said = [*_caption(blocks, every, columns, reasons), *([FILTER_NOTE] if filters_among(results) else [])]
    table.caption, table.caption_justify = Text("\n".join(said)), "left"
    return table


def shortened(name: str, room: int) -> str:
    """Leave out the middle of a name that is too long; its ends tell it from others.

    Example:
        >>> shortened("SmoothGrad(base=Gradient(precision=fp32))", 20)
        'SmoothGra…ion=fp32))'
    """
    if len(name) <= room:
        return name
    head = (room - 1) // 2
    return f"{name[:head]}…{name[len(name) - (room - 1 - head) :]}"


def _block(lines: list[dict[str, str]], columns: list[str], metric: str, widths: list[int]) -> Table:
    """Make the table of one plan; the same widths keep the columns of several below one another."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0))
    for name, least in zip(columns, widths, strict=True):
        heading = {**HEADINGS, "value": SHORT_TITLES.get(metric, "value")}.get(name, name)
        side: Literal["left", "right"] = "left" if name in WORDS else "right"
        table.add_column(Text(heading), justify=side, no_wrap=True, min_width=least)
    for line in lines:
        table.add_row(*(Text(line[name]) for name in columns))
    return table


def _line(row: pd.Series, metric: str, answer: Answer | None, ceilings: bool) -> dict[str, str]:
    pixel, as_given = row["superpixels"] == PIXEL, is_as_given(str(row["superpixels"]))
    reference = is_reference(str(row["superpixels"]))
    segments = "" if pixel or reference or pd.isna(row["mean_segments"]) else f", {row['mean_segments']:.0f}"
    order = "" if row["magnitude"] == EITHER else f", {row['magnitude']}"
    has_gain = not pixel and not pd.isna(row["gain"])
    said = verdict(row)
    if answer is not None:
        said = answer.said(metric, str(row["method"]), said, plan_of(row))
    return {
        "map": _map(row, segments, order),
        "value": number_text(row["value"]),
        "interval": _limits(row, "value", "ci"),
        "floor": number_text(row["floor"]),
        "excess": number_text(row["excess"]),
        "excess interval": _limits(row, "excess", "excess"),
        COST: cost_text(row) if as_given else "",
        "ceiling": number_text(row["ceiling"]) if ceilings else "",
        "normalised": excess_text(row, "normalised") if ceilings else "",
        "gain": f"{row['gain']:+.3f} [{row['gain_low']:+.3f}, {row['gain_high']:+.3f}]" if has_gain else "",
        "best control": control_kind(str(row["best_control"])) if has_gain else "",
        "verdict": "" if said == NO_GAIN else said,
    }


def _map(row: pd.Series, segments: str, order: str) -> str:
    superpixels = str(row["superpixels"])
    if is_reference(superpixels):
        return f"  {label_of(superpixels)}"
    return f"{row['method']}{segments}" if is_as_given(superpixels) else f"  S- {superpixels}{segments}{order}"


def _limits(row: pd.Series, name: str, of: str) -> str:
    low, high = row.get(f"{of}_low", np.nan), row.get(f"{of}_high", np.nan)
    return "" if pd.isna([row[name], low]).any() else f"[{low:.3f}, {high:.3f}]"


def _widths(lines: list[dict[str, str]], columns: list[str]) -> list[int]:
    return [max(len(HEADINGS.get(name, name)), *(len(line[name]) for line in lines)) for name in columns]


def _width(lines: list[dict[str, str]], columns: list[str]) -> int:
    return sum(_widths(lines, columns)) + GAP * max(0, len(columns) - 1)


def _caption(
    blocks: dict[str, pd.DataFrame], lines: list[dict[str, str]], columns: list[str], reasons: list[str]
) -> list[str]:
    rows = pd.concat(blocks.values())
    shown = {*rows["magnitude"], "floor", "excess", *columns, *(CEILING_TERMS if "normalised" in columns else ())}
    return [
        *_per_plan({plan: _counted(own, plan) for plan, own in blocks.items()}),
        *_per_plan({plan: f"95 % intervals {covered(own)}" for plan, own in blocks.items()}),
        *(f"{name}: {words}" for name, words in TERMS.items() if name in shown),
        *(DIFFERS_NOTE if any(line["verdict"] == DIFFERS for line in lines) else ()),
        *(f"({number}): {reason}" for number, reason in enumerate(reasons, start=1)),
    ]


def _counted(rows: pd.DataFrame, plan: str) -> str:
    first = rows.iloc[0]
    # the heading of a plan has its models
    models = "" if plan else f"{first['models']} on "
    return f"{models}{first['dataset']}, {counted_images(first)}"


def _per_plan(said: dict[str, str]) -> list[str]:
    """Say once what is the same for all plans."""
    alike = len(set(said.values())) == 1
    return list(said.values())[:1] if alike else [f"{plan}: {words}" for plan, words in said.items()]
