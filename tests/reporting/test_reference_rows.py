"""Rows of maps that no model has made, in tables and figures, and what is left of the others' agreement."""

import pandas as pd

from lightning_spx.evaluation.statistics.left import left_sentence
from lightning_spx.reporting.answer import Answer
from lightning_spx.reporting.figure_words import front_in_words
from lightning_spx.reporting.figures import stability_bars
from lightning_spx.reporting.front import front_figure
from lightning_spx.reporting.left import left_cells
from lightning_spx.reporting.main_table import main_table
from lightning_spx.reporting.page_tables import number_table
from lightning_spx.reporting.reference_rows import with_references
from lightning_spx.reporting.rows import as_results, is_as_given, is_control, is_control_of, label_of, prefix_of
from lightning_spx.reporting.tables import stability_table, verdict
from lightning_spx.reporting.tradeoff_table import tradeoff_cells

NAMES = ["pixel", "Slic", "control:grid(Slic)", "reference:edges", "reference:centre"]


def results(left_low: float = 0.1) -> pd.DataFrame:
    """Results in which references agree fully, as they always do."""
    rows = []
    for metric in ("saliency_ssim", "correlation", "residual_correlation"):
        for name in NAMES:
            excess = 1.0 if name.startswith("reference") else 0.5
            row: dict[str, object] = {
                "dataset": "birds",
                "models": "2 nets",
                "pair": "all",
                "method": "Gradient",
                "superpixels": name,
            }
            row |= {"magnitude": "either", "metric": metric, "setting": "", "value": excess, "floor": 0.0}
            row |= {"ci_low": excess - 0.1, "ci_high": excess, "excess": excess, "num_images": 9, "num_dropped": 0}
            row |= {"excess_low": left_low if metric == "residual_correlation" else excess - 0.1, "excess_high": excess}
            row |= {"interval": "these models", "mean_segments": 64.0, "num_constant": 0}
            if name == "Slic":
                row |= {"best_control": "control:grid(Slic)", "gain": 0.1, "gain_low": 0.05, "gain_high": 0.2}
            rows.append(row)
    return as_results(rows)


def test_a_reference_is_neither_a_map_of_a_model_nor_a_control() -> None:
    assert not is_as_given("reference:edges")
    assert not is_control("reference:edges")
    assert not is_control_of("reference:edges", "edges")
    assert (prefix_of("reference:edges"), label_of("reference:edges")) == ("", "reference: edges")
    row = results().query("superpixels == 'reference:edges' and metric == 'saliency_ssim'").iloc[0]
    assert verdict(row) == ""


def test_tables_show_references_last_and_without_a_gain() -> None:
    shown = with_references(results()[results()["metric"] == "saliency_ssim"])
    assert shown["superpixels"].tolist() == ["pixel", "Slic", "reference:edges", "reference:centre"]
    assert stability_table(results(), "saliency_ssim", "").row_count == 4
    main = main_table(results(), "saliency_ssim", "", None, 200)
    assert [str(cell) for cell in main.columns[0].cells][2:] == ["  reference: edges", "  reference: centre"]
    page = number_table(results(), "saliency_ssim", "", Answer("birds", []))
    (edges,) = (row for row in page.rows if row.cells[1].text == "reference: edges")
    assert (edges.cells[0].text, edges.control, edges.gains) == ("no model", False, False)


def test_bars_are_of_models_alone() -> None:
    figure = stability_bars(results(), "saliency_ssim")
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert [name for name in labels if not name.startswith(("floor", "best"))] == ["pixel", "S-, Slic"]
    assert len(figure.axes[0].patches) == 2


def test_the_front_shows_how_faithful_a_map_without_a_model_is() -> None:
    key = results().query("metric == 'saliency_ssim'")[["method", "superpixels", "magnitude", "mean_segments"]]
    numbers = {f"{name}{end}": 0.5 for name in ("excess", "fidelity") for end in ("", "_low", "_high")}
    front = key.assign(**numbers, on_front=key["superpixels"].isin(["pixel", "Slic"]))
    front.loc[front["superpixels"] == "reference:centre", ["excess", "excess_low", "excess_high"]] = float("nan")
    figure = front_figure(front, "ROAD", "")
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert {"reference: edges (no model)", "reference: centre (no model)"} <= set(labels)
    cells = tradeoff_cells(results(), front)
    assert cells["super-pixels"].tolist() == ["pixel", "Slic, 64", "reference:edges", "reference:centre"]
    assert cells["method"].tolist()[-2:] == ["Gradient", "Gradient"]
    assert "reference" not in front_in_words(results())


def test_what_is_left_stands_beside_the_correlation() -> None:
    cells = left_cells(results())
    assert cells["super-pixels"].tolist() == ["pixel", "Slic", "reference:edges", "reference:centre"]
    assert cells["left"].iloc[0] == "0.500 [0.100, 0.500]"
    earlier = results().query("metric == 'saliency_ssim'")
    assert left_cells(earlier).empty
    assert left_sentence(earlier, "Gradient") == []


def test_the_answer_says_how_much_is_left_or_that_nothing_is() -> None:
    (said,) = left_sentence(results(), "Gradient")
    assert said.startswith("Of the agreement of Gradient's maps by pixel all is left (excess of the correlation 0.50")
    (said,) = left_sentence(results(left_low=-0.1), "Gradient", "Slic")
    assert said.startswith("Of the agreement of S-Gradient's maps with Slic nothing is left")
