"""The page as text: nothing of a study is markup in it, and it never grows too large."""

import base64
import hashlib
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from PIL import Image

from lightning_spx.reporting import Gallery, MethodMaps, Page, picture_of, render_page
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


def elements(html: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(html)
    return parser.found


def tags(html: str) -> list[str]:
    return [tag for tag, _ in elements(html)]


def test_hostile_text_adds_no_tag_and_no_attribute() -> None:
    assert tags(render_page(page(HOSTILE))) == tags(render_page(page()))
    found = elements(render_page(page(HOSTILE)))
    assert not [name for _, attributes in found for name in attributes if name.startswith("on")]


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
    (pixel, pooled, control) = re.findall(r"<tr[^>]*>(?:<th scope=\"row\".*?)</tr>", html)
    assert "S-birds" in pooled
    assert '<tr class="gain">' in pooled
    assert ">gain</td>" in pooled
    assert ">+0.100 <span>[+0.050, +0.200]</span></td>" in pooled
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


def test_the_answer_comes_first_then_models_maps_numbers_and_where_they_are_from() -> None:
    html = render_page(page())
    sections = [attributes["id"] for tag, attributes in elements(html) if tag == "section"]
    assert sections == ["answer", "models", "pair", "numbers", "gallery", "figures", "provenance"]
    assert html.index('class="first">birds<') < html.index("<strong>Warning:</strong> birds<")


def test_headings_go_down_one_level_at_a_time() -> None:
    levels = [int(tag[1]) for tag in tags(render_page(page())) if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(deeper <= level + 1 for level, deeper in pairwise(levels))


def test_a_screen_reader_is_told_what_there_is() -> None:
    found = elements(render_page(page()))
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert [attributes["lang"] for tag, attributes in found if tag == "html"] == ["en"]
    assert all(attributes.get("alt") for tag, attributes in found if tag == "img")
    assert {attributes["scope"] for tag, attributes in found if tag == "th"} == {"col", "row"}
    # what scrolls can be reached by the keyboard and has a name
    scrolling = [each for tag, each in found if tag == "pre" or each.get("class") == "grid"]
    assert len(scrolling) == 3
    for attributes in scrolling:
        assert attributes["tabindex"] == "0"
        assert attributes["role"] == "region"
        assert attributes["aria-label"]


def test_every_choice_stands_in_a_label() -> None:
    html = render_page(two_numbers())
    choices = re.findall(r"<(?:select|input)[^>]* id=\"([^\"]+)\"", html)
    assert len(choices) == 9
    labels = "".join(re.findall(r"<label>.*?</label>", html, re.DOTALL))
    assert all(f'id="{choice}"' in labels for choice in choices)


def test_a_gain_that_the_answer_does_not_confirm_is_not_shown_as_one_and_leads_to_the_reason() -> None:
    shown = page()
    answer = replace(shown.answer, unconfirmed={"saliency_ssim": ["birds"]})
    html = render_page(replace(shown, answer=answer))
    assert '<a href="#unconfirmed-0">gain*</a>' in html
    assert '<tr class="gain">' not in html
    (reason,) = re.findall(r'id="unconfirmed-0">(.*?)</p>', html)
    assert "does not confirm it" in reason
    assert 'id="unconfirmed' not in render_page(shown)


def test_a_figure_says_what_it_shows() -> None:
    html = render_page(replace(page(), figures={"bars": b"PNG"}, descriptions={"bars": 'Bars of "SSIM" & floors.'}))
    assert 'alt="Bars of &#34;SSIM&#34; &amp; floors."><figcaption>bars</figcaption>' in html


def test_the_main_number_is_ssim_wherever_it_stands() -> None:
    html = render_page(two_numbers())
    numbers, others = (html.index(f'<section id="{name}">') for name in ("numbers", "others"))
    assert numbers < html.index(">SSIM of saliency maps between models</caption>") < others
    assert others < html.index(">MeGe, generalizability between models, L2 distance</caption>")


def test_the_question_stands_above_the_answer_only_where_models_are_compared() -> None:
    shown = page()
    question = "<h2>Would another model have shown the same?</h2>"
    assert question in render_page(shown)
    retrained = shown.results.assign(metric="roar_accuracy", setting="percentage=50")
    assert question not in render_page(replace(shown, results=retrained))


def two_numbers() -> Page:
    shown = page()
    mege = shown.results.assign(metric="mege", setting="distance=l2")
    return replace(shown, results=pd.concat([mege, shown.results]))


def test_two_models_maps_of_a_photo_stand_there_without_a_script() -> None:
    shown = gallery(photos=3)
    agreement = {"IG": {("pixel", "either"): np.array([0.9, 0.1, 0.5])}}
    html = render_page(page(shown=replace(shown, agreement=agreement)))
    addresses = re.findall(r'<img src="(data:image/png;base64,[^"]+)"', html)[:3]
    photo, first, second = (np.asarray(Image.open(io.BytesIO(base64.b64decode(each[22:])))) for each in addresses)
    # the photo in the middle is the third, whose value is neither the lowest nor the highest
    assert np.array_equal(photo, (shown.photos[2] * 255).round())
    for model, picture in enumerate((first, second)):
        assert np.array_equal(picture, picture_of(torch.from_numpy(shown.maps["IG"].pixel[model, 2])))
    assert "SSIM 0.50" in html
