"""The one table that a study prints: it fits into the terminal, and nothing in it wraps."""

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from lightning_spx.reporting.answer import DIFFERS, DIFFERS_NOTE, Answer
from lightning_spx.reporting.number_words import number_title
from lightning_spx.reporting.reasons import counted_images, number_text
from lightning_spx.reporting.rows import AFTER, BEFORE, EITHER, PIXEL, control_kind, select_rows, without_controls
from lightning_spx.reporting.tables import NO_GAIN, verdict

SHORT_TITLES = {"saliency_ssim": "SSIM", "topk_overlap": "overlap", "mege": "MeGe", "reco": "ReCo"}
TERMS = {
    "floor": "what maps with nothing in common would get",
    "excess": "0 is the floor, 1 is a perfect match",
    "gain": "excess above that of the best smoothing control, with its interval",
    AFTER: "super-pixels pool signed values, and the magnitude is taken after that",
    BEFORE: "super-pixels pool magnitudes, taken before that",
}
# columns for wider terminals, the first to be added first
WIDER = ("interval", "best control")
# columns of words; numbers are right aligned
WORDS = ("map", "best control", "verdict")
HEADINGS = {"map": "", "verdict": "", "interval": "95 % interval"}
GAP = 2
LEAST_NAME = 12


def main_table(results: pd.DataFrame, metric: str, setting: str, answer: Answer | None, width: int) -> Table:
    """Tabulate one metric within a width: a method's pixel map, and its S- rows indented below it.

    Args:
        results: rows of `results.csv`.
        metric: the metric to show.
        setting: the setting of the metric.
        answer: of the study; a row whose gain it does not confirm is marked.
        width: columns of the terminal. Wider ones show the value's interval and the best control as well. Names that
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
    rows = without_controls(select_rows(results, metric, setting))
    lines = [_line(row, metric, answer) for _, row in rows.iterrows()]
    reasons = list(dict.fromkeys(line["verdict"] for line in lines if line["verdict"] not in ("", "gain", DIFFERS)))
    for line in lines:
        if line["verdict"] in reasons:
            line["verdict"] = f"({reasons.index(line['verdict']) + 1})"
    columns = [name for name in lines[0] if name not in WIDER and any(line[name] for line in lines)]
    for name in WIDER:
        tried = [each for each in lines[0] if each in (*columns, name)]
        if any(line[name] for line in lines) and _width(lines, tried) <= width:
            columns = tried
    room = max(LEAST_NAME, width - _width(lines, columns[1:]) - GAP)
    table = Table(
        title=Text(number_title(metric, setting)),
        caption=Text("\n".join(_caption(rows, lines, reasons))),
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, GAP - 1, 0, 0),
    )
    for name in columns:
        heading = {**HEADINGS, "value": SHORT_TITLES.get(metric, "value")}.get(name, name)
        table.add_column(Text(heading), justify="left" if name in WORDS else "right", no_wrap=True)
    names = {line["map"]: shortened(line["map"], room) for line in lines}
    # a table that is too wide is better than two rows of one name
    apart = len(set(names.values())) == len(names)
    for line in lines:
        line["map"] = names[line["map"]] if apart else line["map"]
        table.add_row(*(Text(line[name]) for name in columns))
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


def _line(row: pd.Series, metric: str, answer: Answer | None) -> dict[str, str]:
    pixel = row["superpixels"] == PIXEL
    segments = "" if pixel or pd.isna(row["mean_segments"]) else f", {row['mean_segments']:.0f}"
    order = "" if row["magnitude"] == EITHER else f", {row['magnitude']}"
    has_interval = not (pd.isna(row["ci_low"]) or pd.isna(row["value"]))
    has_gain = not pixel and not pd.isna(row["gain"])
    said = verdict(row)
    if answer is not None:
        said = answer.said(metric, str(row["method"]), said)
    return {
        "map": str(row["method"]) if pixel else f"  S- {row['superpixels']}{segments}{order}",
        "value": number_text(row["value"]),
        "interval": f"[{row['ci_low']:.3f}, {row['ci_high']:.3f}]" if has_interval else "",
        "floor": number_text(row["floor"]),
        "excess": number_text(row["excess"]),
        "gain": f"{row['gain']:+.3f} [{row['gain_low']:+.3f}, {row['gain_high']:+.3f}]" if has_gain else "",
        "best control": control_kind(str(row["best_control"])) if has_gain else "",
        "verdict": "" if said == NO_GAIN else said,
    }


def _width(lines: list[dict[str, str]], columns: list[str]) -> int:
    widths = [max(len(HEADINGS.get(name, name)), *(len(line[name]) for line in lines)) for name in columns]
    return sum(widths) + GAP * max(0, len(widths) - 1)


def _caption(rows: pd.DataFrame, lines: list[dict[str, str]], reasons: list[str]) -> list[str]:
    first, orders = rows.iloc[0], set(rows["magnitude"])
    has_gain = any(line["gain"] for line in lines)
    used = [name for name in TERMS if name in ("floor", "excess") or name in orders or (name == "gain" and has_gain)]
    return [
        f"{first['models']} on {first['dataset']}, {counted_images(first)}",
        f"95 % intervals {first['interval']}",
        *(f"{name}: {TERMS[name]}" for name in used),
        *(DIFFERS_NOTE if any(line["verdict"] == DIFFERS for line in lines) else ()),
        *(f"({number}): {reason}" for number, reason in enumerate(reasons, start=1)),
    ]
