"""The page as text: nothing of a study is markup in it, and it never grows too large."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import numpy as np

from lightning_spx.reporting import Gallery, MethodMaps, Page, render_page
from lightning_spx.reporting.answer import Answer
from tests.reporting.cases import row, table
from tests.reporting.gallery_cases import gallery

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028'\"&"


def page(text: str = "birds", shown: Gallery | None = None) -> Page:
    results = table(
        row(method=text),
        row(text, method=text, gain=0.1, gain_low=0.05, gain_high=0.2),
        row(f"control:grid({text})", method=text),
    )
    return Page(
        Answer(title=text, sentences=[text], models=[text], warnings=[text], notes=[text]),
        results=results.assign(models=text, dataset=text),
        figures={text: b"PNG"},
        gallery=shown or gallery(name=text, segmenter=text),
        facts={text: text},
        config=text,
        record=text,
    )


class Tags(HTMLParser):
    """Notes every tag with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(html: str) -> list[str]:
    parser = Tags()
    parser.feed(html)
    return [tag for tag, _ in parser.found]


def test_hostile_text_adds_no_tag_and_no_attribute() -> None:
    assert tags(render_page(page(HOSTILE))) == tags(render_page(page()))
    parser = Tags()
    parser.feed(render_page(page(HOSTILE)))
    assert not [name for _, attributes in parser.found for name in attributes if name.startswith("on")]


def test_only_our_own_script_and_style_may_run() -> None:
    html = render_page(page(HOSTILE))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy is not None
    for tag, name in (("script", "script-src"), ("style", "style-src")):
        (body,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in policy.group(1)
    assert "unsafe" not in policy.group(1)


def test_a_row_says_its_verdict_and_a_missing_number_is_a_dash() -> None:
    html = render_page(page())
    (pixel, pooled, control) = re.findall(r"<tr[^>]*>(?:<td.*?)</tr>", html)
    assert "S-birds" in pooled
    assert '<tr class="gain">' in pooled
    assert ">gain</td>" in pooled
    assert ">+0.100 [+0.050, +0.200]</td>" in pooled
    assert '<td data-sort="inf">\N{EN DASH}</td>' in pixel
    assert '<tr class="control">' in control


def test_a_large_study_stays_under_eight_megabytes() -> None:
    draw = np.random.default_rng(0)
    size, photos, models, methods = 224, 6, 5, 7
    ids = np.stack([np.arange(size * size).reshape(size, size) // 400] * photos)
    segments = {name: ids for name in ("Slic", "Felzenszwalb", "Watershed")}
    maps = draw.random((models, photos, size, size)).astype(np.float32)
    pooled = {(name, order): np.zeros_like(maps) for name in segments for order in ("after", "before")}
    shown = Gallery(
        photos=draw.random((photos, size, size, 3)).astype(np.float32),
        segments=segments,
        maps={f"method {number}": MethodMaps(maps, pooled) for number in range(methods)},
        models=[f"model {number}" for number in range(models)],
    )
    html = render_page(page(shown=shown))
    assert len(html.encode()) < 8_000_000
    assert "more photos are in the run folder" in html


def test_the_order_of_methods_is_that_of_the_study() -> None:
    shown = gallery()
    both = Gallery(shown.photos, shown.segments, {"Z": shown.maps["IG"], "A": shown.maps["IG"]}, shown.models)
    html = render_page(page(shown=both))
    assert html.index('"Z"') < html.index('"A"')
