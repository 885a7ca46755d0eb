"""Rows of other conditions change nothing that is shown of all images, and several plans are never mixed."""

from collections.abc import Callable

import pandas as pd
import pytest
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from lightning_spx.reporting import (
    Page,
    mege_table,
    pair_cells,
    pairs_figure,
    render_page,
    stability_bars,
    stability_table,
    tradeoff_cells,
)
from lightning_spx.reporting.answer import Answer
from lightning_spx.reporting.figure_words import bars_in_words, front_in_words, pairs_in_words
from lightning_spx.reporting.finding_tables import finding_cells
from lightning_spx.reporting.main_table import main_table
from lightning_spx.reporting.page_tables import page_tables
from lightning_spx.reporting.plan_table import plan_cells, plan_note
from lightning_spx.reporting.plans import by_plan
from lightning_spx.reporting.rows import numbers_shown, with_finding
from lightning_spx.reporting.scalars import numbers_of, scalars_of
from tests.reporting.cases import row, table

NAMES = ["a", "b", "c"]
GAIN: dict[str, object] = {"gain": 0.2, "gain_low": 0.1, "gain_high": 0.3}
MEGE: dict[str, object] = {"metric": "mege", "setting": "distance=l2"}
FINDING: dict[str, object] = {"setting": with_finding("", "wing")}


def of_all_images() -> pd.DataFrame:
    """The rows of one plan."""
    ssim = [row(), row("Slic", **GAIN), row("control:grid(Slic)", magnitude="after")]
    pairs = [{**each, "pair": pair} for each in ssim for pair in ("0-1", "0-2", "1-2")]
    findings = [{**each, **FINDING} for each in ssim]
    return table(*ssim, *pairs, *findings, *({**each, **MEGE} for each in ssim)).assign(condition="all", plan="seeds")


def with_conditions() -> pd.DataFrame:
    """The same, and rows of other conditions, whose numbers would be seen anywhere."""
    rows = of_all_images()
    others = [
        rows.assign(condition=condition, value=0.987, excess=0.876, floor=0.123, num_images=7)
        for condition in ("same_prediction", "both_right")
    ]
    return pd.concat([others[0], rows, others[1]], ignore_index=True)


def two_plans() -> pd.DataFrame:
    disjoint = of_all_images().assign(plan="disjoint", models="2 x SmallResNet, disjoint parts", excess=0.1)
    return pd.concat([of_all_images(), disjoint], ignore_index=True)


def printed(shown: Table, width: int = 200) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(shown)
    return capture.get()


def drawn(figure: Figure) -> list[object]:
    """All numbers and words of a figure."""
    found: list[object] = []
    for axes in figure.axes:
        found += [patch.get_extents().bounds for patch in axes.patches]
        found += [text.get_text() for text in axes.texts] + [axes.get_xlabel(), axes.get_title()]
        found += [str(picture.get_array()) for picture in axes.images]
        found += [cell.get_text().get_text() for each in axes.tables for cell in each.get_celld().values()]
    return [*found, figure.get_suptitle()]


FRONT = table(row(), row("Slic")).assign(on_front=True)
SHOWN: dict[str, Callable[[pd.DataFrame], object]] = {
    "console": lambda rows: printed(main_table(rows, "saliency_ssim", "", None, 80)),
    "wide table": lambda rows: printed(stability_table(rows, "saliency_ssim", "")),
    "bars": lambda rows: drawn(stability_bars(rows, "mege", "distance=l2")),
    "table of MeGe": lambda rows: drawn(mege_table(rows)),
    "matrices": lambda rows: drawn(pairs_figure(rows, "saliency_ssim", NAMES)),
    "pairs": lambda rows: pair_cells(rows, "saliency_ssim", NAMES).to_csv(),
    "findings": lambda rows: finding_cells(rows, "saliency_ssim", "").to_csv(),
    "trade-off": lambda rows: tradeoff_cells(rows[rows["metric"] == "saliency_ssim"], FRONT).to_csv(),
    "words of bars": lambda rows: bars_in_words(rows, "saliency_ssim", ""),
    "words of pairs": lambda rows: pairs_in_words(rows, "saliency_ssim", NAMES),
    "words of the front": front_in_words,
    "numbers": numbers_shown,
    "numbers of the callback": lambda rows: numbers_of(rows, lambda row: f"{row['setting']}", ["value", "floor"]),
    "page": lambda rows: page_tables(rows, Answer("birds", []))[0],
}


@pytest.mark.parametrize("name", SHOWN)
def test_rows_of_other_conditions_are_not_seen(name: str) -> None:
    shown = SHOWN[name]
    assert shown(with_conditions()) == shown(of_all_images())


@pytest.mark.parametrize(
    "name",
    ["wide table", "bars", "table of MeGe", "matrices", "pairs", "findings", "words of bars", "words of pairs"],
)
def test_rows_of_two_plans_are_not_mixed(name: str) -> None:
    with pytest.raises(ValueError, match=r"Expected rows of one `plan`, got those of \['seeds', 'disjoint'\]"):
        SHOWN[name](two_plans())


def test_a_table_without_the_new_columns_has_one_plan_without_a_name() -> None:
    (plan,) = by_plan(of_all_images().drop(columns=["plan", "condition"]))
    assert plan[0] == ""
    assert len(plan[1]) == len(of_all_images())


def test_the_console_has_a_block_for_each_plan_in_the_same_columns() -> None:
    shown = main_table(two_plans(), "saliency_ssim", "", None, 80)
    below, shown.caption = str(shown.caption), None
    lines = [line.rstrip() for line in printed(shown).splitlines()]
    assert max(map(len, lines)) <= 80
    headings = [number for number, line in enumerate(lines) if line.startswith(("seeds: ", "disjoint: "))]
    assert [lines[number] for number in headings] == [
        "seeds: 2 x SmallResNet",
        "disjoint: 2 x SmallResNet, disjoint parts",
    ]
    # each block has headings, a rule, a pixel row and an S- row
    assert [lines[number + 1] for number in headings] == [lines[headings[0] + 1]] * 2
    for number, excess in zip(headings, ("0.200", "0.100"), strict=True):
        assert [line.split()[0] for line in lines[number + 3 : number + 5]] == ["Gradient", "S-"]
        end = lines[number + 1].index("excess") + len("excess")
        assert [line[:end].endswith(excess) for line in lines[number + 3 : number + 5]] == [True, True]
    # what is the same for both is said once
    assert below.splitlines()[:2] == ["birds, 40 images", "95 % intervals over images, for these models"]


def test_what_differs_between_plans_is_said_for_each() -> None:
    results = two_plans()
    results.loc[results["plan"] == "disjoint", "interval"] = "these models"
    below = str(main_table(results, "saliency_ssim", "", None, 80).caption).splitlines()
    assert below[1:3] == [
        "seeds: 95 % intervals over images, for these models",
        "disjoint: 95 % intervals cover images, for these models",
    ]


def test_the_page_compares_plans_and_has_a_table_for_each() -> None:
    main, others = page_tables(two_plans(), Answer("birds", []))
    assert [each.title for each in main] == [
        "SSIM of saliency maps between models, plan by plan",
        "SSIM of saliency maps between models, plan seeds",
        "SSIM of saliency maps between models, plan disjoint",
    ]
    assert [each.above for each in main] == ["", "seeds: 2 x SmallResNet", "disjoint: 2 x SmallResNet, disjoint parts"]
    assert [each.title.rpartition(" ")[2] for each in others] == ["seeds", "disjoint"]
    html = render_page(Page(Answer("birds", []), two_plans().fillna({"num_wrong": 0}), {}, None, {}, "", ""))
    assert html.index("<h3>seeds: ") < html.index("plan seeds</caption>") < html.index("<h3>disjoint: ")


def test_plans_are_compared_by_the_pixel_maps_of_each_method() -> None:
    results = two_plans().assign(excess_low=lambda rows: rows["excess"] - 0.05, excess_high=0.5)
    assert plan_cells(results, "saliency_ssim", "").to_dict("records") == [
        {"method": "Gradient", "seeds": "0.200 [0.150, 0.500]", "disjoint": "0.100 [0.050, 0.500]"}
    ]
    assert plan_cells(of_all_images(), "saliency_ssim", "").empty
    assert "disjoint: other data, in parts without common images." in plan_note(results)


def test_plan_and_condition_are_parts_of_a_key_only_where_there_are_several() -> None:
    one = row(value=0.5, excess=float("nan"), floor=float("nan"), condition="all", plan="seeds")
    base = "stability/saliency_ssim/Gradient/pixel/either"
    assert scalars_of(table(one), "stability") == {f"{base}/value": 0.5}
    results = table(
        one,
        {**one, "value": 0.25, "condition": "both_right"},
        {**one, "value": 0.75, "plan": "disjoint"},
        {**one, "value": 0.125, "plan": "disjoint", "condition": "same_prediction"},
    )
    assert scalars_of(results, "stability") == {
        f"{base}/seeds/value": 0.5,
        f"{base}/seeds/both_right/value": 0.25,
        f"{base}/disjoint/value": 0.75,
        f"{base}/disjoint/same_prediction/value": 0.125,
    }
    # a finding with the name of a condition is still a finding
    named = {**one, "setting": with_finding("", "both_right")}
    assert scalars_of(table(named), "stability") == {f"{base}/finding both_right/value": 0.5}
