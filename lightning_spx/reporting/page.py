"""Renders a study as one HTML page that needs no network and no other file."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files

import matplotlib as mpl
import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from lightning_spx.reporting.answer import DIFFERS, Answer
from lightning_spx.reporting.example_pair import example_pair
from lightning_spx.reporting.gallery import COLOURS, Gallery, data_uri, encode_gallery
from lightning_spx.reporting.page_tables import MAIN, page_tables
from lightning_spx.reporting.rows import numbers_shown


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
    main, others = page_tables(page.results, page.answer)
    return environment.from_string(sources["html"]).render(
        page=page,
        differs=DIFFERS,
        main=main,
        compares_models=page.results.empty or MAIN in numbers_shown(page.results),
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


def _hash(source: str) -> str:
    return base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
