"""Renders a study as one HTML page that needs no network and no other file."""

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files

import matplotlib as mpl
import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from lightning_spx.reporting.answer import DIFFERS, DIFFERS_NOTE, Answer
from lightning_spx.reporting.example_pair import example_pair
from lightning_spx.reporting.finding_tables import FINDING_NOTE, finding_rows, finding_title
from lightning_spx.reporting.gallery import COLOURS, Gallery, data_uri, encode_gallery
from lightning_spx.reporting.number_words import number_title
from lightning_spx.reporting.reasons import counted_images
from lightning_spx.reporting.rows import ALL_PAIRS, control_kind, is_control, over_findings, select_rows
from lightning_spx.reporting.tables import CONTRACTION_NOTE, method_name, verdict

MISSING = "\N{EN DASH}"
MAIN = ("saliency_ssim", "")
HEADINGS = (
    *("method", "super-pixels", "order", "value", "floor", "excess", "gain over best control", "verdict"),
    *("best control", "segments", "images (dropped)"),
)


@dataclass(frozen=True)
class Page:
    """The contents of a study's page.

    Args:
        answer: of the study.
        results: rows of `results.csv`.
        figures: PNG files by caption.
        gallery: example photos with their maps, if there are any.
        facts: facts about data, models and machine, by name.
        config: the configuration as YAML.
        record: the complete record of the run as JSON.
        descriptions: what a figure shows, by its caption, for those who cannot see it; the caption where there is none.

    Example:
        >>> results = pd.DataFrame(columns=["pair", "metric", "setting"])
        >>> Page(Answer("birds", ["Stable."]), results, {}, None, {"seed": "0"}, "seed: 0", "{}").answer.title
        'birds'
    """

    answer: Answer
    results: pd.DataFrame
    figures: Mapping[str, bytes]
    gallery: Gallery | None
    facts: Mapping[str, str]
    config: str
    record: str
    descriptions: Mapping[str, str] = field(default_factory=dict)


def render_page(page: Page) -> str:
    """Return the page as HTML; everything that comes from a study is text in it, never markup.

    Example:
        >>> empty = pd.DataFrame(columns=["pair", "metric", "setting"])
        >>> "&lt;b&gt;" in render_page(Page(Answer("<b>", []), empty, {}, None, {}, "", ""))
        True
    """
    folder = files("lightning_spx.reporting") / "page_files"
    sources = {name: (folder / f"page.{name}").read_text(encoding="utf-8") for name in ("css", "js", "html")}
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    # keep methods and segmenters in the order of the study
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    shown = None if page.gallery is None or not len(page.gallery.photos) else page.gallery
    main, others = _tables(page.results, page.answer)
    return environment.from_string(sources["html"]).render(
        page=page,
        headings=HEADINGS,
        differs=DIFFERS,
        main=main,
        compares_models=page.results.empty or MAIN in _numbers(page.results),
        others=others,
        pair=None if shown is None else example_pair(shown, "".join(page.answer.sentences[:1])),
        figures={caption: data_uri(png) for caption, png in page.figures.items()},
        gallery=None if shown is None else encode_gallery(shown),
        colors=[mpl.colors.to_hex(color) for color in mpl.colormaps[COLOURS](np.linspace(0, 1, 256))],
        # only these two files of ours: the page's content policy lets no other style or script run
        css=Markup(sources["css"]),
        js=Markup(sources["js"]),
        css_hash=_hash(sources["css"]),
        js_hash=_hash(sources["js"]),
    )


@dataclass(frozen=True)
class _Cell:
    text: str
    # other than the text where a column is sorted by something else
    sort: float | str = ""
    interval: str = ""


@dataclass(frozen=True)
class _Row:
    cells: Sequence[_Cell]
    control: bool
    gains: bool


@dataclass(frozen=True)
class _Table:
    title: str
    note: str
    # why the answer does not confirm the gain of some rows
    unconfirmed: str
    rows: Sequence[_Row]
    findings: "_Findings | None"


@dataclass(frozen=True)
class _Findings:
    title: str
    note: str
    rows: Sequence[_Row]


def _tables(results: pd.DataFrame, answer: Answer) -> tuple[_Table | None, list[_Table]]:
    """Make the main table, which is that of SSIM or else the longest one, and the others."""
    numbers = _numbers(results)
    tables = [_table(results, metric, setting, answer) for metric, setting in numbers]
    if not tables:
        return None, []
    longest = max(tables, key=lambda table: len(table.rows))
    main = tables[numbers.index(MAIN)] if MAIN in numbers else longest
    return main, [table for table in tables if table is not main]


def _numbers(results: pd.DataFrame) -> list[tuple[str, str]]:
    of_all = over_findings(results[results["pair"] == ALL_PAIRS])
    return list(dict.fromkeys(zip(of_all["metric"], of_all["setting"], strict=True)))


def _table(results: pd.DataFrame, metric: str, setting: str, answer: Answer) -> _Table:
    rows = select_rows(results, metric, setting)
    first = rows.iloc[0]
    note = (
        f"{first['models']} on {first['dataset']}; 95 % intervals {first['interval']}.{_left_out(rows)}"
        f"{CONTRACTION_NOTE if setting == 'distance=l2_raw' else ''}"
    )
    rows_of_table = [_row(row, answer.said(metric, str(row["method"]), verdict(row))) for _, row in rows.iterrows()]
    differs = any(cell.text == DIFFERS for row in rows_of_table for cell in row.cells)
    unconfirmed = f"gain{' '.join(line.strip() for line in DIFFERS_NOTE)}." if differs else ""
    title, findings = number_title(metric, setting), _findings(results, metric, setting)
    return _Table(title, note, unconfirmed, rows_of_table, findings)


def _findings(results: pd.DataFrame, metric: str, setting: str) -> _Findings | None:
    """Return the table for each finding, or None for a study of classes."""
    rows = finding_rows(results, metric, setting)
    if rows.empty:
        return None
    found = [_row(row, verdict(row), [_Cell(str(row["finding"]))]) for _, row in rows.iterrows()]
    return _Findings(finding_title(metric, setting), FINDING_NOTE, found)


def _left_out(rows: pd.DataFrame) -> str:
    """Say which images a table counts and why it leaves out the others; nothing if it counts all."""
    said = dict.fromkeys(counted_images(row) for _, row in rows.iterrows() if row["num_dropped"] > 0)
    return "".join(f" {sentence}." for sentence in said)


def _row(row: pd.Series, verdict: str, before: Sequence[_Cell] = ()) -> _Row:
    control = is_control(str(row["superpixels"]))
    said = "" if control else verdict
    cells = [
        *before,
        _Cell("control" if control else method_name(row), f"{row['method']} {control}"),
        _Cell(str(row["superpixels"])),
        _Cell(str(row["magnitude"])),
        _interval(row, "value", "ci_low", "ci_high", ""),
        _number(row["floor"]),
        _number(row["excess"]),
        _interval(row, "gain", "gain_low", "gain_high", "+"),
        _Cell(said),
        _Cell(_control_name(row)),
        _number(row["mean_segments"], 0),
        _Cell(f"{row['num_images']} ({row['num_dropped']})", float(row["num_images"])),
    ]
    return _Row(cells, control, said == "gain")


def _control_name(row: pd.Series) -> str:
    name = row["best_control"]
    return control_kind(name) if isinstance(name, str) else ""


def _number(value: float, digits: int = 3) -> _Cell:
    # missing numbers sort last
    return _Cell(MISSING, math.inf) if pd.isna(value) else _Cell(f"{value:.{digits}f}", float(value))


def _interval(row: pd.Series, name: str, low: str, high: str, sign: str) -> _Cell:
    value = row[name]
    if pd.isna(value):
        return _Cell(MISSING, math.inf)
    return _Cell(f"{value:{sign}.3f}", float(value), f"[{row[low]:{sign}.3f}, {row[high]:{sign}.3f}]")


def _hash(source: str) -> str:
    return base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
