"""The one table on the console: it fits, its numbers are whole, and its marks are explained."""

import pandas as pd
import pytest
from rich.console import Console
from rich.table import Table

from lightning_spx.reporting.answer import Answer
from lightning_spx.reporting.fitted_table import fitted_table
from lightning_spx.reporting.main_table import main_table, shortened
from tests.reporting.cases import NAN, row, table

GAIN: dict[str, object] = {"gain": 0.2, "gain_low": 0.1, "gain_high": 0.3}
LONG = "SmoothGrad(base=Gradient(precision=fp32),num_samples=50)"


def lines_of(shown: Table, width: int) -> list[str]:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(shown)
    return [line.rstrip() for line in capture.get().splitlines()]


def rows(method: str = "Gradient") -> pd.DataFrame:
    return table(
        row(method=method), row("Slic", method=method, **GAIN), row("Slic", magnitude="before", method=method, **GAIN)
    )


@pytest.mark.parametrize("width", [80, 100, 120, 200])
@pytest.mark.parametrize("method", ["Gradient", LONG])
def test_the_table_is_no_wider_than_the_terminal_and_numbers_are_whole(width: int, method: str) -> None:
    shown = main_table(rows(method), "saliency_ssim", "", None, width)
    below, shown.caption = str(shown.caption), None
    printed = lines_of(shown, 1000)
    assert max(map(len, printed)) <= width
    assert max(map(len, below.splitlines())) <= 80
    # a title, headings, a rule and a line for each row: nothing wraps
    assert len(printed) == 3 + 3
    text = "\n".join(printed)
    assert text.count("+0.200 [+0.100, +0.300]") == 2
    assert [text.count(number) for number in ("0.250", "0.062", "0.200")] == [3, 3, 5]
    # wider terminals show more, and whole names before that
    assert ("[0.125, 0.500]" in text) == (width >= (100 if method == "Gradient" else 200))
    assert ("grid" in text) == (width >= (120 if method == "Gradient" else 200))


def test_numbers_are_right_aligned_below_their_headings() -> None:
    shown = main_table(rows(), "saliency_ssim", "", None, 80)
    shown.caption = None
    _, headings, _, *others = lines_of(shown, 80)
    for heading, number in (("SSIM", "0.250"), ("floor", "0.062"), ("excess", "0.200")):
        end = headings.index(heading) + len(heading)
        assert [line[:end].endswith(number) for line in others] == [True] * 3


def test_a_pixel_row_is_named_by_its_method_and_pooled_rows_are_indented_below_it() -> None:
    shown = main_table(rows(), "saliency_ssim", "", None, 80)
    assert list(shown.columns[0].cells) != []
    assert [str(cell) for cell in shown.columns[0].cells] == [
        "Gradient",
        "  S- Slic, 56, after",
        "  S- Slic, 56, before",
    ]


def test_a_gain_that_the_answer_does_not_confirm_is_marked_and_explained() -> None:
    answer = Answer("birds", ["No."], unconfirmed={"saliency_ssim": ["Gradient"]})
    marked, plain = (main_table(rows(), "saliency_ssim", "", each, 80) for each in (answer, None))
    assert [str(cell) for cell in marked.columns[-1].cells] == ["", "gain*", "gain*"]
    assert [str(cell) for cell in plain.columns[-1].cells] == ["", "gain", "gain"]
    assert "does not confirm" in str(marked.caption)
    assert "does not confirm" not in str(plain.caption)


def test_reasons_are_numbered_and_stand_below() -> None:
    nothing: dict[str, object] = {
        **{name: NAN for name in ("value", "ci_low", "ci_high", "floor", "excess", "gain", "gain_low", "gain_high")},
        **{"num_images": 0, "num_dropped": 40, "num_wrong": 40, "num_constant": 0, "best_control": ""},
    }
    results = table(row(metric="mege"), row("Slic", **{**nothing, "metric": "mege"}))
    shown = main_table(results, "mege", "", None, 80)
    assert [str(cell) for cell in shown.columns[-1].cells] == ["", "(1)"]
    assert "(1): no image counts: no two models are right on one" in str(shown.caption)
    assert "nan" not in "\n".join(lines_of(shown, 80))


def test_a_table_without_pooled_rows_has_no_gain() -> None:
    shown = main_table(table(row()), "saliency_ssim", "", None, 80)
    assert [str(column.header) for column in shown.columns] == ["", "SSIM", "95 % interval", "floor", "excess"]
    assert "gain" not in str(shown.caption)


def test_names_that_look_like_markup_are_printed_as_they_are() -> None:
    results = rows("[red]x[/]").assign(dataset="[bold]", models="[/]")
    text = "\n".join(lines_of(main_table(results, "saliency_ssim", "", None, 80), 80))
    assert "[red]x[/]" in text
    assert "[/] on [bold], 40 images" in text


def test_a_name_is_cut_in_its_middle_and_only_if_it_must_be() -> None:
    assert shortened("Gradient", 8) == "Gradient"
    assert shortened("abcdefghij", 5) == "ab…ij"
    assert {len(shortened(LONG, room)) for room in range(12, 40)} == set(range(12, 40))


def test_names_that_would_be_cut_to_the_same_are_not_cut() -> None:
    names = [f"Slic(n_segments=50,compactness={number}.0,max_num_iter=10)" for number in (10, 20)]
    results = table(row(), *(row(name, **GAIN) for name in names))
    shown = main_table(results, "saliency_ssim", "", None, 80)
    assert [str(cell).strip() for cell in shown.columns[0].cells][1:] == [f"S- {name}, 56, after" for name in names]


def test_columns_that_do_not_fit_are_left_out_and_named() -> None:
    cells = pd.DataFrame({"method": ["Gradient"], "excess SSIM": ["0.123*"], "road": ["0.500"], "insertion": ["0.250"]})
    shown = fitted_table(cells, "T", "C", width=32)
    assert [str(column.header) for column in shown.columns] == ["method", "excess SSIM", "road"]
    assert str(shown.caption) == "C\nleft out: insertion"
    assert max(map(len, lines_of(shown, 200))) <= 32
    assert str(fitted_table(cells, "T", "C", width=80).caption) == "C"
