"""What the console's table says of each row."""

import pandas as pd
import pytest
from rich.console import Console
from rich.table import Table

from lightning_spx.reporting import method_name, stability_table, verdict
from lightning_spx.reporting.tables import NO_GAIN
from tests.reporting.cases import NAN, row, table

GAIN: dict[str, object] = {"gain": 0.2, "gain_low": 0.1, "gain_high": 0.3}


def printed(shown: Table) -> str:
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(shown)
    return capture.get()


def cells(results: pd.DataFrame, metric: str = "saliency_ssim", setting: str = "") -> list[list[str]]:
    shown = stability_table(results, metric, setting)
    columns = [[str(cell) for cell in column.cells] for column in shown.columns]
    return [list(line) for line in zip(*columns, strict=True)]


def test_a_pixel_row_shows_value_interval_floor_and_excess_and_no_verdict() -> None:
    assert cells(table(row())) == [
        ["Gradient", "pixel", "either", "0.250 [0.125, 0.500]", "0.062", "0.200", "", ""],
    ]


def test_a_pooled_row_adds_the_number_of_segments_the_best_control_and_the_verdict() -> None:
    assert cells(table(row("Slic", **GAIN))) == [
        [
            *("S-Gradient", "Slic, 56", "after", "0.250 [0.125, 0.500]", "0.062", "0.200"),
            *("+0.200 [+0.100, +0.300]     grid", "gain"),
        ]
    ]


def test_brackets_of_intervals_are_printed() -> None:
    text = printed(stability_table(table(row(), row("Slic", **GAIN)), "saliency_ssim", ""))
    assert text.count("0.250 [0.125, 0.500]") == 2
    assert "+0.200 [+0.100, +0.300]     grid" in text


@pytest.mark.parametrize("name", ["[red]x", "[/red]", "[bold red]x[/]", "[link=http://x]y", "a[0]", "\\[b]"])
def test_names_that_look_like_markup_are_printed_as_they_are(name: str) -> None:
    results = table(row(method=name, dataset=name, models=name), row("Slic", method=name, **GAIN))
    text = printed(stability_table(results, "saliency_ssim", ""))
    assert f"S-{name} " in text
    assert f"\n {name} " in text or f"\n{name} " in text
    assert f"{name} on {name}, 40 images" in text


@pytest.mark.parametrize(
    ("gain_low", "expected"),
    [(0.001, "gain"), (0.0, NO_GAIN), (-0.0, NO_GAIN), (-0.2, NO_GAIN), (NAN, NO_GAIN)],
)
def test_only_a_lower_limit_above_zero_is_a_gain(gain_low: float, expected: str) -> None:
    results = table(row(), row("Slic", gain=0.3, gain_low=gain_low, gain_high=0.5))
    assert [line[-1] for line in cells(results)] == ["", expected]
    assert [verdict(each) for _, each in results.iterrows()] == ["", expected]
    text = printed(stability_table(results, "saliency_ssim", ""))
    assert text.count("no gain over smoothing") == (expected == NO_GAIN)


@pytest.mark.parametrize("excess", [0.0, -0.1, NAN])
def test_a_row_that_is_no_better_than_chance_has_no_gain_though_its_controls_are_worse(excess: float) -> None:
    results = table(row("Slic", excess=excess, **GAIN))
    assert [line[-1] for line in cells(results)] == [NO_GAIN]


def test_a_pixel_row_has_no_verdict_whatever_its_gain() -> None:
    assert verdict(table(row("pixel", **GAIN)).iloc[0]) == ""


def test_only_pooled_methods_carry_the_prefix() -> None:
    assert method_name(table(row()).iloc[0]) == "Gradient"
    assert method_name(table(row("Slic")).iloc[0]) == "S-Gradient"


def test_only_the_metric_its_setting_and_all_pairs_are_shown_and_no_controls() -> None:
    results = table(
        row(value=0.1),
        row("Slic", value=0.2),
        row("Slic", value=0.3, magnitude="before"),
        row("control:grid(Slic)", value=0.4),
        row("Slic", value=0.5, pair="0-1"),
        row("Slic", value=0.6, metric="mege", setting="distance=l2"),
        row("Slic", value=0.7, metric="mege", setting="distance=spearman"),
    )
    assert [line[3][:5] for line in cells(results)] == ["0.100", "0.200", "0.300"]
    assert [line[2] for line in cells(results)] == ["either", "after", "before"]
    assert [line[3][:5] for line in cells(results, "mege", "distance=spearman")] == ["0.700"]


def test_title_and_caption_say_the_metric_the_models_and_what_the_interval_covers() -> None:
    results = table(row(metric="mege", setting="distance=l2"))
    text = printed(stability_table(results, "mege", "distance=l2"))
    assert text.startswith("MeGe, generalizability between models, L2 distance")
    assert "2 x SmallResNet on birds, 40 images; 95 % intervals over images, for these models." in text
    assert printed(stability_table(table(row(metric="new")), "new", "")).startswith("new ")


def test_a_number_without_a_floor_gains_by_its_controls_alone() -> None:
    results = table(row("Slic", floor=NAN, excess=NAN, **GAIN))
    assert [line[-1] for line in cells(results)] == ["gain"]


def test_a_number_that_does_not_exist_is_a_dash_and_no_verdict() -> None:
    results = table(row("Slic", value=NAN, ci_low=NAN, ci_high=NAN, floor=NAN, excess=NAN, best_control=""))
    assert cells(results)[0][3:] == [*["\N{EN DASH}"] * 4, "no value"]


def test_a_metric_or_setting_without_rows_is_refused() -> None:
    with pytest.raises(ValueError, match=r"one of \[\('saliency_ssim', ''\)\], got \('mege', 'distance=l2'\)\."):
        stability_table(table(row()), "mege", "distance=l2")
    with pytest.raises(ValueError, match=r"got \('saliency_ssim', 'k=0.1'\)\."):
        stability_table(table(row()), "saliency_ssim", "k=0.1")


def test_raw_l2_is_printed_with_what_pooling_does_to_it() -> None:
    results = table(row(metric="mege", setting="distance=l2_raw"), row(metric="mege", setting="distance=l2"))
    with_note, without = (stability_table(results, "mege", f"distance={name}") for name in ("l2_raw", "l2"))
    assert "mean pooling is a contraction" in str(with_note.caption)
    assert "contraction" not in str(without.caption)


def test_rows_that_say_nothing_say_why() -> None:
    ones: dict[str, object] = {"value": 1.0, "ci_low": 1.0, "ci_high": 1.0, "floor": 1.0, "excess": NAN}
    nothing: dict[str, object] = {
        **{name: NAN for name in ("value", "ci_low", "ci_high", "floor", "excess")},
        **{"num_images": 0, "num_dropped": 40, "num_wrong": 40, "num_constant": 0, "best_control": ""},
    }
    blank = table(
        *(row(name, **ones, num_wrong=0, num_constant=40) for name in ("pixel", "Slic")),
        row("Grid", **ones, num_wrong=0, num_constant=3),
        row("Voronoi", best_control="", num_wrong=0, num_constant=3),
        # one of two models is blank: nothing above chance, and still blank
        row("Watershed", value=0.4, floor=0.4, excess=0.0, gain=0.0, gain_low=0.0, num_wrong=0, num_constant=40),
    )
    assert [line[-1] for line in cells(blank)] == [
        *("blank maps", "blank maps", "no excess: the floor is 1", "no gain: a control has no excess", "blank maps"),
    ]
    for metric, why in {"mege": "no two models are right on one", "reco": "no model of a pair is right on one"}.items():
        shown = cells(table(*(row(name, **{**nothing, "metric": metric}) for name in ("pixel", "Slic"))), metric)
        assert [line[-1] for line in shown] == [f"no image counts: {why}"] * 2
        assert "nan" not in str(shown)


def test_a_sanity_check_of_blank_maps_has_no_verdict() -> None:
    ones: dict[str, object] = {"value": 1.0, "ci_low": 1.0, "ci_high": 1.0, "floor": 1.0, "excess": NAN}
    checked = row("pixel", metric="sanity_ssim", setting="randomised=100%", **ones, num_wrong=0, num_constant=40)
    assert cells(table(checked), "sanity_ssim", "randomised=100%")[0][-1] == "blank maps"


def test_images_that_are_left_out_are_counted_with_the_reason() -> None:
    left: dict[str, object] = {"num_images": 7, "num_dropped": 33}
    cases: list[tuple[dict[str, object], str]] = [
        ({"num_dropped": 0}, "40 images;"),
        ({**left}, "7 of 40 images;"),
        ({**left, "metric": "mege", "num_wrong": 33}, "7 of 40 images (left out: 33 that no two models are right on);"),
        ({**left, "metric": "pointing_game", "num_wrong": 0}, "33 that have no object in their mask"),
        ({**left, "num_wrong": 0}, "33 that all models of a pair have trained on, or none"),
        ({**left, "metric": "reco", "num_wrong": 30}, "30 that no model of a pair is right on; 3 that all models"),
    ]
    for changes, expected in cases:
        metric = str(changes.get("metric", "saliency_ssim"))
        caption = stability_table(table(row("pixel", **changes)), metric, "").caption
        assert expected in str(caption)
