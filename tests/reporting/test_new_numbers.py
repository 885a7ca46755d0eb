"""Ceilings, intervals of the excess, conditions and components: shown where a study has them, and only there."""

import pandas as pd
import pytest
from rich.console import Console

from lightning_spx.reporting import stability_bars, stability_table
from lightning_spx.reporting.answer import Answer
from lightning_spx.reporting.components import HALVED, component_cells
from lightning_spx.reporting.conditions import condition_cells
from lightning_spx.reporting.main_table import main_table
from lightning_spx.reporting.page_tables import HEADINGS, number_table
from lightning_spx.reporting.reasons import covered
from lightning_spx.reporting.scalars import scalars_of
from tests.reporting.cases import NAN, row, table

GAIN: dict[str, object] = {"gain": 0.2, "gain_low": 0.1, "gain_high": 0.3}
NORMALISED: dict[str, object] = {"normalised": 0.4, "normalised_low": 0.3, "normalised_high": 0.5}
EXCESS: dict[str, object] = {"excess_low": 0.11, "excess_high": 0.29}


def with_ceilings(ceiling: float) -> pd.DataFrame:
    random: dict[str, object] = {"method": "SmoothGrad", "ceiling": ceiling, **NORMALISED, **EXCESS}
    return table(row("pixel", ceiling=1.0, normalised=0.2, **EXCESS), row("Slic", **random, **GAIN))


def headings(results: pd.DataFrame, width: int) -> list[str]:
    return [str(each.header) for each in main_table(results, "saliency_ssim", "", None, width).columns]


def test_ceilings_are_columns_only_where_a_method_is_random() -> None:
    for ceiling, shown in ((0.8, True), (1.0, False), (1 - 1e-12, False), (NAN, False)):
        results = with_ceilings(ceiling)
        assert ({"ceiling", "normalised"} <= set(headings(results, 200))) == shown
        wide = stability_table(results, "saliency_ssim", "")
        assert ("normalised" in [str(each.header) for each in wide.columns]) == shown
        page = number_table(results, "saliency_ssim", "", Answer("birds", []))
        assert page.headings == ((*HEADINGS[:6], "ceiling", "normalised", *HEADINGS[6:]) if shown else HEADINGS)
        assert {len(each.cells) for each in page.rows} == {len(page.headings)}
        assert ("under other noise" in page.note) == ("under other noise" in str(wide.caption)) == shown


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_the_console_is_no_wider_for_them(width: int) -> None:
    shown = main_table(with_ceilings(0.8), "saliency_ssim", "", None, width)
    below, shown.caption = str(shown.caption), None
    console = Console(width=1000, color_system=None)
    with console.capture() as capture:
        console.print(shown)
    lines = capture.get().splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    assert max(map(len, below.splitlines())) <= 80
    text = "\n".join(lines)
    # what stands in a column is explained, and nothing else
    assert ("normalised: 0 is the floor" in below) == ("0.400 [0.300, 0.500]" in text) == (width == 200)
    assert text.count("95 % interval") == {80: 0, 100: 1, 120: 1, 200: 2}[width]


def test_the_excess_has_its_interval_where_a_table_is_wide() -> None:
    results = table(row("pixel", **EXCESS), row("Slic", **GAIN))
    cells = list(stability_table(results, "saliency_ssim", "").columns[5].cells)
    assert [str(cell) for cell in cells] == ["0.200 [0.110, 0.290]", "0.200"]
    page = number_table(results, "saliency_ssim", "", Answer("birds", []))
    assert [each.cells[5].interval for each in page.rows] == ["[0.110, 0.290]", ""]


def test_bars_of_the_excess_have_its_interval() -> None:
    def reaches(results: pd.DataFrame) -> list[list[float]]:
        below = stability_bars(results, "saliency_ssim").axes[1]
        return [segment[:, 1].tolist() for each in below.containers[1:] for segment in each[2][0].get_segments()]

    assert reaches(table(row("pixel", **EXCESS))) == [pytest.approx([0.11, 0.29])]
    assert reaches(table(row())) == []


def test_what_intervals_cover_is_said_in_words() -> None:
    said = {
        "these models": "cover images, for these models",
        "models of this data and architecture": "cover images and models of this data and architecture",
        "over images, for these models": "over images, for these models",
        "over repeats and images": "over repeats and images",
    }
    for word, words in said.items():
        results = table(row(interval=word))
        assert covered(results) == words
        assert f"95 % intervals {words}" in str(main_table(results, "saliency_ssim", "", None, 80).caption)
        assert f"95 % intervals {words}." in str(stability_table(results, "saliency_ssim", "").caption)
        assert f"95 % intervals {words}." in number_table(results, "saliency_ssim", "", Answer("", [])).note
        assert f"95 % intervals {words}" in stability_bars(results, "saliency_ssim").axes[1].get_xlabel().replace(
            "\n", " "
        )


def test_dashboards_have_ceilings_of_random_methods() -> None:
    keys = [name.rpartition("/")[2] for name in scalars_of(with_ceilings(0.8), "stability") if "S" in name]
    assert keys == ["value", "floor", "excess", "gain", "ceiling", "normalised"]
    assert not any("ceiling" in name for name in scalars_of(with_ceilings(1.0), "stability"))


def test_an_interval_that_covers_less_than_that_of_all_images_has_a_star() -> None:
    of_all = row("pixel", condition="all", num_images=9, interval="models of this data and architecture", **EXCESS)
    right = {**of_all, "condition": "both_right", "num_images": 4, "interval": "these models"}
    single = {**right, "condition": "same_prediction", "num_images": 1, "excess_low": NAN, "excess_high": NAN}
    cells = condition_cells(table(of_all, right, single), "saliency_ssim", "").iloc[0].tolist()
    assert [cell.partition(" [")[2] for cell in cells[3:]] == ["0.110, 0.290] (9)", "", "0.110, 0.290]* (4)"]
    assert cells[4].endswith(" (1)")


def test_conditions_stand_side_by_side_with_their_numbers_of_images() -> None:
    def of(superpixels: str, condition: str, number: int, **changes: object) -> dict[str, object]:
        return row(superpixels, condition=condition, num_images=number, excess=number / 100, **changes)

    results = table(
        *(of(name, "all", 40) for name in ("pixel", "Slic", "control:grid(Slic)")),
        *(of(name, "same_prediction", 30, **EXCESS) for name in ("Slic", "pixel", "control:grid(Slic)")),
        of("pixel", "both_right", 0, value=NAN) | {"excess": NAN},
        of("pixel", "both_right", 5, pair="0-1"),
        of("pixel", "both_right", 6, metric="topk_overlap"),
    )
    cells = condition_cells(results, "saliency_ssim", "")
    assert cells.to_dict("records") == [
        {
            **{"method": "Gradient", "super-pixels": "pixel", "order": "either", "all images": "0.400 (40)"},
            **{"same prediction": "0.300 [0.110, 0.290] (30)", "both right": "\N{EN DASH} (0)"},
        },
        {
            **{"method": "S-Gradient", "super-pixels": "Slic", "order": "after", "all images": "0.400 (40)"},
            **{"same prediction": "0.300 [0.110, 0.290] (30)", "both right": ""},
        },
    ]
    assert condition_cells(results[results["condition"] == "all"], "saliency_ssim", "").empty
    assert condition_cells(table(row()), "saliency_ssim", "").empty


def test_components_are_square_roots_and_say_what_to_add() -> None:
    results = table(
        row(var_image=0.04, var_repeat=NAN, var_model=0.01, var_rest=0.0, halving_trainings=12.0),
        row("Slic", var_image=0.0625, var_repeat=NAN, var_model=0.0, var_rest=0.25, halving_trainings=NAN),
        row("control:grid(Slic)", var_image=1.0, halving_trainings=9.0),
        row("Grid", var_image=0.01),
        row("Other"),
    )
    cells = component_cells(results, "saliency_ssim", "")
    assert cells.columns.tolist()[3:] == ["sd images", "sd models", "sd rest", HALVED]
    assert cells.iloc[:, 3:].to_numpy().tolist() == [
        ["0.200", "0.100", "0.000", "12 trainings"],
        ["0.250", "0.000", "0.500", "more images"],
        ["0.100", "", "", "too few trainings to say"],
        ["", "", "", ""],
    ]
    assert component_cells(table(row()), "saliency_ssim", "").empty
