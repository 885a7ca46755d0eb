"""Which row of a method a table of findings shows, and how findings are written and named."""

import pandas as pd
import pytest

from lightning_spx.reporting.answer import Answer
from lightning_spx.reporting.finding_tables import finding_cells, finding_rows
from lightning_spx.reporting.page import Page, render_page
from lightning_spx.reporting.rows import finding_of, over_findings, select_rows, with_finding, without_finding
from lightning_spx.reporting.scalars import scalars_of
from tests.reporting.cases import NAN, row, table

ODD = ("plain", "a;b", "a=b", "100%", "%3B", "finding=x", "a;finding=b", "<b>&", "%253B")


def of_finding(name: str, superpixels: str = "pixel", **changes: object) -> dict[str, object]:
    return row(superpixels, setting=with_finding("", name), **changes)


def results() -> pd.DataFrame:
    gains = {
        "Slic": {"gain": 0.1, "gain_low": 0.0, "gain_high": 0.2},
        "Grid": {"gain": 0.3, "gain_low": 0.1, "gain_high": 0.5},
    }
    over_all = [row(), *(row(name, **gain) for name, gain in gains.items()), row("control:grid(Grid)")]
    # in a finding, another row gains more than the one that does over all
    single = [
        each
        for name in ("wing", "<i>crest")
        for each in (
            of_finding(name),
            of_finding(name, "Slic", gain=0.9, gain_low=0.8, gain_high=1.0),
            of_finding(
                name, "Grid", gain=-0.2, gain_low=-0.3, gain_high=-0.1, num_images=7, num_dropped=2, num_wrong=2
            ),
            of_finding(name, "control:grid(Grid)"),
        )
    ]
    return table(*over_all, *single)


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("setting", ["", "distance=l2", "k=0.1", "background=keep"])
def test_a_finding_comes_back_from_a_setting_whatever_its_name(setting: str, name: str) -> None:
    written = with_finding(setting, name)
    assert finding_of(written) == name
    assert without_finding(written) == setting
    assert finding_of(setting) == ""
    entries = dict(entry.split("=") for entry in written.split(";"))
    assert set(entries) == {"finding", *(entry.partition("=")[0] for entry in setting.split(";") if entry)}


def test_names_that_differ_are_written_differently() -> None:
    assert len({with_finding("", name) for name in ODD}) == len(ODD)


def test_each_finding_shows_the_row_that_gains_most_over_all_of_them() -> None:
    rows = finding_rows(results(), "saliency_ssim", "")
    assert rows["finding"].tolist() == ["wing", "<i>crest"]
    assert rows["superpixels"].tolist() == ["Grid", "Grid"]
    cells = finding_cells(results(), "saliency_ssim", "")
    assert cells.iloc[0].tolist() == [
        *("wing", "7 of 9", "S-Gradient", "Grid", "0.250 [0.125, 0.500]", "0.200", "-0.200 [-0.300, -0.100] grid"),
    ]


def test_without_segmenters_the_pixel_row_is_shown() -> None:
    rows = finding_rows(table(row(), of_finding("wing")), "saliency_ssim", "")
    assert rows["superpixels"].tolist() == ["pixel"]


def test_a_study_of_classes_has_no_rows_of_findings() -> None:
    classes = table(row(), row("Slic"))
    assert finding_rows(classes, "saliency_ssim", "").empty
    assert finding_cells(classes, "saliency_ssim", "").empty
    assert over_findings(classes).equals(classes)


def test_the_main_table_keeps_its_rows() -> None:
    assert len(select_rows(results(), "saliency_ssim", "")) == 4
    assert over_findings(results()).index.tolist() == [0, 1, 2, 3]


def test_a_page_has_one_number_to_choose_and_shows_names_as_text() -> None:
    shown = render_page(Page(Answer("birds", []), results().fillna({"num_wrong": 0}), {}, None, {}, "", ""))
    assert "<option value=" not in shown
    assert shown.count("finding by finding</caption>") == 1
    assert "<i>crest" not in shown
    assert "&lt;i&gt;crest</th>" in shown


def test_a_dashboard_names_the_finding_last() -> None:
    rows = table(
        row(metric="mege", setting="distance=l2"),
        row(metric="mege", setting=with_finding("distance=l2", "red wing"), value=0.75, excess=NAN),
    )
    assert scalars_of(rows, "stability") == {
        "stability/mege_l2/Gradient/pixel/either/value": 0.25,
        "stability/mege_l2/Gradient/pixel/either/floor": 0.0625,
        "stability/mege_l2/Gradient/pixel/either/excess": 0.2,
        "stability/mege_l2/Gradient/pixel/either/red wing/value": 0.75,
        "stability/mege_l2/Gradient/pixel/either/red wing/floor": 0.0625,
    }
