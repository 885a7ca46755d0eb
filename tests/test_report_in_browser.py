"""The report as a reader has it, in headless Chromium; skipped where there is none."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from lightning_spx.reporting import render_page
from tests.reporting.gallery_cases import gallery
from tests.reporting.test_page import HOSTILE, page

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1200,1000"),
)
SHOWN = gallery(size=16, photos=2)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Chrome]":
    webdriver = pytest.importorskip("selenium.webdriver")
    binary = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("no Chromium with its driver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    chrome.implicitly_wait(5)
    yield chrome
    chrome.quit()


def load(browser: "Chrome", folder: Path, text: str = "birds") -> None:
    path = folder / "report.html"
    path.write_text(render_page(page(text, None if text != "birds" else SHOWN)), encoding="utf-8")
    browser.get(path.as_uri())
    browser.find_element("css selector", "#maps canvas")
    read_log: Callable[[str], list[dict[str, str]]] = browser.get_log
    assert [entry for entry in read_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []


def settle(browser: "Chrome") -> None:
    """Wait until the picture that was asked for last is painted."""
    script = "const done = arguments[0]; draw().then(() => done());"
    browser.execute_async_script(script)


def choose(browser: "Chrome", select: str, text: str) -> None:
    browser.execute_script(
        "const s = document.getElementById(arguments[0]); s.value = arguments[1]; s.dispatchEvent(new Event('change'))",
        select,
        text,
    )
    settle(browser)


def column(browser: "Chrome", number: int) -> list[str]:
    rows = browser.find_elements("css selector", "#numbers tbody tr:not(.hidden)")
    return [row.find_elements("css selector", "th, td")[number].text for row in rows]


def test_pointing_at_a_map_reads_the_segments_value_of_both_models(browser: "Chrome", tmp_path: Path) -> None:
    load(browser, tmp_path)
    canvas = browser.find_elements("css selector", "#maps canvas")[1]
    box = canvas.size
    from selenium.webdriver import ActionChains

    y, x = 5, 11
    place = ((x + 0.5) / 16 - 0.5) * box["width"], ((y + 0.5) / 16 - 0.5) * box["height"]
    ActionChains(browser).move_to_element_with_offset(canvas, round(place[0]), round(place[1])).perform()
    segment = int(SHOWN.segments["Slic"][0, y, x])
    size = int((SHOWN.segments["Slic"][0] == segment).sum())
    values = [SHOWN.maps["IG"].pooled["Slic", "after"][model, 0, y, x] for model in (0, 1)]
    expected = f"segment {segment} ({size} pixels): model 0 {values[0]:.2f}, model 1 {values[1]:.2f}"
    assert browser.find_element("id", "readout").text == expected


def test_the_keyboard_reads_values_too(browser: "Chrome", tmp_path: Path) -> None:
    load(browser, tmp_path)
    choose(browser, "partition", "pixel")
    browser.find_elements("css selector", "#maps canvas")[1].send_keys("\ue014")  # the right arrow, from the center
    value = SHOWN.maps["IG"].pixel[0, 0, 8, 9]
    assert browser.find_element("id", "readout").text.startswith(f"one pixel: model 0 {round(value * 255) / 255:.2f}")


def test_maps_of_a_filter_are_painted_and_read_pixel_by_pixel(browser: "Chrome", tmp_path: Path) -> None:
    smooth = SHOWN.maps["IG"].pixel[:, ::-1].copy()
    maps = replace(SHOWN.maps["IG"], pooled={**SHOWN.maps["IG"].pooled, ("JointBilateral", "after"): smooth})
    path = tmp_path / "report.html"
    path.write_text(render_page(page("birds", replace(SHOWN, maps={"IG": maps}))), encoding="utf-8")
    browser.get(path.as_uri())
    browser.find_element("css selector", "#maps canvas")
    choose(browser, "partition", "JointBilateral")
    browser.find_elements("css selector", "#maps canvas")[1].send_keys("\ue014")
    value = smooth[0, 0, 8, 9]
    assert browser.find_element("id", "readout").text.startswith(f"one pixel: model 0 {round(value * 255) / 255:.2f}")


def test_switching_photo_model_and_partition_paints_the_map(browser: "Chrome", tmp_path: Path) -> None:
    load(browser, tmp_path)

    def corner(canvas: int) -> list[int]:
        script = (
            "const canvas = document.querySelectorAll('#maps canvas')[arguments[0]];"
            "return [...canvas.getContext('2d').getImageData(1, 1, 1, 1).data]"
        )
        pixel: list[int] = browser.execute_script(script, canvas)
        return pixel[:3]

    from lightning_spx.reporting.panels import picture_of

    def color(value: float) -> list[int]:
        return [int(channel) for channel in picture_of(torch.tensor([[value]]))[0, 0]]

    for photo in (0, 1):
        browser.find_elements("css selector", "#thumbnails button")[photo].click()
        choose(browser, "partition", "Slic")
        assert np.allclose(corner(2), color(float(SHOWN.maps["IG"].pooled["Slic", "after"][1, photo, 0, 0])), atol=3)
        choose(browser, "partition", "pixel")
        assert np.allclose(corner(2), color(float(SHOWN.maps["IG"].pixel[1, photo, 0, 0])), atol=3)
        choose(browser, "model", "model 1")
        assert len(browser.find_elements("css selector", "#maps canvas")) == 2
        assert np.allclose(corner(1), color(float(SHOWN.maps["IG"].pixel[1, photo, 0, 0])), atol=3)
        choose(browser, "model", "all models")


def test_a_click_sorts_and_another_turns_the_order(browser: "Chrome", tmp_path: Path) -> None:
    load(browser, tmp_path)
    browser.find_element("id", "controls").click()
    assert len(column(browser, 0)) == 3
    gains = browser.find_elements("css selector", "#numbers thead th")[6]
    missing = "\N{EN DASH}"
    for _ in range(2):
        gains.find_element("css selector", "button").click()
        assert column(browser, 6) == ["+0.100 [+0.050, +0.200]", missing, missing]  # what is missing stays last
    assert gains.get_attribute("aria-sort") == "descending"
    names = browser.find_elements("css selector", "#numbers thead th")[1]
    names.find_element("css selector", "button").click()
    assert column(browser, 1) == sorted(column(browser, 1))
    assert gains.get_attribute("aria-sort") is None


def test_hostile_text_is_shown_as_it_is(browser: "Chrome", tmp_path: Path) -> None:
    load(browser, tmp_path, HOSTILE)
    assert browser.find_element("css selector", "h1").get_attribute("textContent") == HOSTILE
    assert column(browser, 1)[1].startswith("</script>")
    assert not browser.find_elements("css selector", "img[src='x']")
    assert browser.execute_script("return document.getElementById('partition').options[1].value") == HOSTILE


def test_a_phone_needs_no_scrolling_to_the_side(browser: "Chrome", tmp_path: Path) -> None:
    metrics = {"width": 375, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        load(browser, tmp_path)
        assert browser.execute_script("return document.documentElement.scrollWidth") == 375
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_main_table_needs_no_scrolling_on_a_screen(browser: "Chrome", tmp_path: Path) -> None:
    load(browser, tmp_path)
    widths = "const box = document.querySelector('#numbers .grid'); return [box.scrollWidth, box.clientWidth]"
    needed, there = browser.execute_script(widths)
    assert needed == there


def test_a_row_is_a_card_with_all_its_numbers_on_a_phone(browser: "Chrome", tmp_path: Path) -> None:
    metrics = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        load(browser, tmp_path)
        row = browser.find_elements("css selector", "#numbers tbody tr")[1]
        cells = row.find_elements("css selector", "td")
        assert {"0.250 [0.125, 0.500]", "+0.100 [+0.050, +0.200]"} <= {cell.text.replace("\n", " ") for cell in cells}
        # a table that is no longer laid out as one says what its parts are
        assert [cell.get_attribute("role") for cell in cells] == ["cell"] * 10
        assert row.get_attribute("role") == "row"
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_photos_are_sorted_by_the_maps_that_are_chosen(browser: "Chrome", tmp_path: Path) -> None:
    kinds = {("pixel", "either"): np.array([0.11, 0.5]), ("Slic", "after"): np.array([0.75, 0.25])}
    path = tmp_path / "report.html"
    path.write_text(render_page(page(shown=replace(SHOWN, agreement={"IG": kinds}))), encoding="utf-8")
    browser.get(path.as_uri())

    def labels() -> list[str | None]:
        return [
            each.get_attribute("aria-label") for each in browser.find_elements("css selector", "#thumbnails button")
        ]

    assert labels() == ["photo 2, SSIM 0.25", "photo 1, SSIM 0.75"]
    choose(browser, "partition", "pixel")
    assert labels() == ["photo 1, SSIM 0.11", "photo 2, SSIM 0.50"]


def test_it_prints(browser: "Chrome", tmp_path: Path) -> None:
    load(browser, tmp_path)
    assert len(browser.print_page()) > 10_000
