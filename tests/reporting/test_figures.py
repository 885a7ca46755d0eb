"""What bars and the MeGe table show, read back from matplotlib's axes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import same_color, to_rgba_array
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.table import Table

from lightning_spx.reporting import mege_table, stability_bars
from lightning_spx.reporting.figures import FLOOR_COLOUR, PIXEL_COLOUR
from tests.reporting.cases import NAN, row, table

FLOOR = to_rgba_array(FLOOR_COLOUR)
STUDY = table(
    row(value=0.2, ci_low=0.15, ci_high=0.3, floor=0.05),
    row("Slic", value=0.4, ci_low=0.35, ci_high=0.5, floor=0.25),
    row("control:grid(Slic)", value=0.45, magnitude="after"),
    row("control:blur(Slic)", value=0.35, magnitude="after"),
    row("Grid", value=0.5, ci_low=0.375, ci_high=0.625, floor=0.3, best_control="control:blur(Grid)"),
    row("control:blur(Grid)", value=0.55, magnitude="after"),
    row(method="GradCAM", value=0.6, ci_low=0.5, ci_high=0.7, floor=0.1),
    row("Slic", method="GradCAM", value=0.7, ci_low=0.6, ci_high=0.75, floor=0.2, magnitude="either"),
    row("control:grid(Slic)", method="GradCAM", value=0.65, magnitude="either"),
)
SHOWN = STUDY[~STUDY["superpixels"].str.startswith("control:")]
BEST_CONTROLS = [NAN, 0.45, 0.55, NAN, 0.65]


def bars(figure: Figure, panel: int = 0) -> list[Rectangle]:
    """The bars in the order of the rows: by method, which is the place on the axis, then by segmenter."""
    patches = [patch for patch in figure.axes[panel].patches if isinstance(patch, Rectangle)]
    return sorted(patches, key=Rectangle.get_x)


def segments_of(axes: Axes, floors: bool) -> list[np.ndarray]:
    """The floor lines, or the intervals, from left to right."""
    collections = [each for each in axes.collections if isinstance(each, LineCollection)]
    chosen = [each for each in collections if np.array_equal(to_rgba_array(each.get_color()), FLOOR) == floors]
    lines = [np.asarray(line) for each in chosen for line in each.get_segments()]
    return sorted(lines, key=lambda line: float(line[0, 0]))


def test_each_method_and_segmenter_has_a_bar_of_its_value() -> None:
    figure = stability_bars(STUDY, "saliency_ssim")
    assert [bar.get_height() for bar in bars(figure)] == [0.2, 0.4, 0.5, 0.6, 0.7]
    assert [bar.get_y() for bar in bars(figure)] == [0.0] * 5
    widths = [bar.get_width() for bar in bars(figure)]
    np.testing.assert_allclose(widths, widths[0])


def test_bars_do_not_overlap_and_stand_over_their_method() -> None:
    figure = stability_bars(STUDY, "saliency_ssim")
    left = [bar.get_x() for bar in bars(figure)]
    right = [bar.get_x() + bar.get_width() for bar in bars(figure)]
    assert all(end < start for end, start in zip(right[:-1], left[1:], strict=True))
    assert [round((a + b) / 2) for a, b in zip(left, right, strict=True)] == [0, 0, 0, 1, 1]
    axes = figure.axes[1]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["Gradient", "GradCAM"]
    assert axes.get_xticks().tolist() == [0, 1]


def test_intervals_reach_from_the_lower_to_the_upper_limit_at_the_middle_of_the_bar() -> None:
    figure = stability_bars(STUDY, "saliency_ssim")
    intervals = segments_of(figure.axes[0], floors=False)
    limits = SHOWN[["ci_low", "ci_high"]].to_numpy()
    np.testing.assert_allclose([line[:, 1] for line in intervals], limits, rtol=1e-12)
    middles = [bar.get_x() + bar.get_width() / 2 for bar in bars(figure)]
    np.testing.assert_allclose([line[:, 0] for line in intervals], np.repeat(middles, 2).reshape(-1, 2), rtol=1e-12)


def test_floor_lines_lie_at_the_floor_across_their_bar() -> None:
    figure = stability_bars(STUDY, "saliency_ssim")
    floors = segments_of(figure.axes[0], floors=True)
    np.testing.assert_array_equal([line[:, 1] for line in floors], np.column_stack([SHOWN["floor"]] * 2))
    ends = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars(figure)]
    np.testing.assert_allclose([line[:, 0] for line in floors], ends, rtol=1e-12)


def test_the_marker_lies_at_the_best_control_of_its_own_method_and_segmenter() -> None:
    figure = stability_bars(STUDY, "saliency_ssim")
    markers = [line for line in figure.axes[0].lines if line.get_marker() == "D"]
    points = sorted(np.column_stack(line.get_data()).tolist() for line in markers if len(np.asarray(line.get_xdata())))
    middles = [bar.get_x() + bar.get_width() / 2 for bar in bars(figure)]
    # pixel rows have no control
    expected = [[[x, y]] for x, y in zip(middles, BEST_CONTROLS, strict=True) if not np.isnan(y)]
    np.testing.assert_allclose(points, expected, rtol=1e-12)


def test_the_legend_names_every_segmenter_once_also_one_that_the_first_method_lacks() -> None:
    results = table(row(), row("Slic"), row(method="Other"), row("Slic", method="Other"), row("Grid", method="Other"))
    legend = stability_bars(results, "saliency_ssim").axes[0].get_legend()
    assert legend is not None
    texts = [text.get_text() for text in legend.get_texts()]
    assert sorted(texts) == ["S-, Grid", "S-, Slic", "best control", "floor (chance)", "pixel"]


def test_the_lower_panel_compares_excess_with_that_of_the_best_control() -> None:
    results = table(
        row(value=0.2, excess=0.15),
        row("Slic", value=0.4, excess=0.1),
        row("control:grid(Slic)", value=0.3, excess=0.25, magnitude="after"),
    )
    figure = stability_bars(results, "saliency_ssim")
    assert [bar.get_height() for bar in bars(figure, panel=1)] == [0.15, 0.1]
    drawn = [np.asarray(line.get_ydata()).tolist() for line in figure.axes[1].lines if line.get_marker() == "D"]
    assert [value for value in drawn if value] == [[0.25]]


def test_pixel_bars_have_their_own_color() -> None:
    colors = [same_color(bar.get_facecolor(), PIXEL_COLOUR) for bar in bars(stability_bars(STUDY, "saliency_ssim"))]
    assert colors == [True, False, False, True, False]


def test_order_after_is_drawn_where_both_orders_are_there_with_the_control_of_that_order() -> None:
    results = table(
        row(value=0.1),
        row("Slic", value=0.9, magnitude="before"),
        row("Slic", value=0.2, magnitude="after"),
        row("control:grid(Slic)", value=0.8, magnitude="before"),
        row("control:grid(Slic)", value=0.3, magnitude="after"),
    )
    figure = stability_bars(results, "saliency_ssim")
    assert [bar.get_height() for bar in bars(figure)] == [0.1, 0.2]
    drawn = [np.asarray(line.get_ydata()).tolist() for line in figure.axes[0].lines if line.get_marker() == "D"]
    assert [value for value in drawn if value] == [[0.3]]
    only_before = results[results["magnitude"] != "after"]
    assert [bar.get_height() for bar in bars(stability_bars(only_before, "saliency_ssim"))] == [0.1, 0.9]


def test_other_metrics_settings_and_single_pairs_are_left_out() -> None:
    results = table(
        row(value=0.1, metric="mege", setting="distance=l2"),
        row(value=0.2, metric="mege", setting="distance=spearman"),
        row(value=0.3),
        row(value=0.4, pair="0-1"),
    )
    figure = stability_bars(results, "mege", "distance=spearman")
    assert [bar.get_height() for bar in bars(figure)] == [0.2]
    assert figure.axes[0].get_ylabel() == "MeGe, Spearman distance"
    assert [bar.get_height() for bar in bars(stability_bars(results, "saliency_ssim"))] == [0.3]


def test_the_axis_starts_at_zero_and_goes_below_for_a_negative_value() -> None:
    assert stability_bars(STUDY, "saliency_ssim").axes[0].get_ylim()[0] == 0
    below = stability_bars(table(row(value=-0.1, ci_low=-0.2, ci_high=0.1)), "saliency_ssim")
    assert below.axes[0].get_ylim()[0] < -0.2
    assert bars(below)[0].get_height() == -0.1


def test_a_value_outside_of_its_percentile_interval_is_drawn_with_no_reach_on_that_side() -> None:
    results = table(row(value=0.2, ci_low=0.3, ci_high=0.4))
    (interval,) = segments_of(stability_bars(results, "saliency_ssim").axes[0], floors=False)
    np.testing.assert_allclose(interval[:, 1], [0.2, 0.4])


def test_a_number_that_does_not_exist_leaves_the_other_bars_as_they_are() -> None:
    missing = row("Slic", value=NAN, ci_low=NAN, ci_high=NAN, floor=NAN, best_control="")
    figure = stability_bars(table(row(value=0.2), missing), "saliency_ssim")
    figure.canvas.draw()
    np.testing.assert_array_equal([bar.get_height() for bar in bars(figure)], [0.2, NAN])


def test_the_axis_says_what_the_interval_covers() -> None:
    expected = "2 x SmallResNet, birds, 40 images; 95 % intervals over images, for these models"
    assert " ".join(stability_bars(STUDY, "saliency_ssim").axes[1].get_xlabel().split()) == expected


def test_a_metric_without_rows_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Expected `metric` and `setting` to be one of .* got \('reco', ''\)\."):
        stability_bars(STUDY, "reco")
    with pytest.raises(ValueError, match=r"got \('mege', 'distance=l2'\)\."):
        mege_table(STUDY)


def test_results_that_pandas_has_read_from_their_file_are_drawn_alike(tmp_path: Path) -> None:
    STUDY.to_csv(tmp_path / "results.csv", index=False)
    ours, read = (
        stability_bars(results, "saliency_ssim") for results in (STUDY, pd.read_csv(tmp_path / "results.csv"))
    )
    for panel in (0, 1):
        drawn, expected = ([bar.get_bbox().bounds for bar in bars(figure, panel)] for figure in (read, ours))
        assert drawn == expected


def cell_texts(figure: Figure) -> list[list[str]]:
    (axes,) = figure.axes
    (drawn,) = [child for child in axes.get_children() if isinstance(child, Table)]
    grid = {place: cell.get_text().get_text() for place, cell in drawn.get_celld().items()}
    lines, columns = sorted({line for line, _ in grid}), sorted({column for _, column in grid})
    return [[grid.get((line, column), "") for column in columns] for line in lines]


def mege(superpixels: str = "pixel", **changes: object) -> dict[str, object]:
    return row(superpixels, metric="mege", **{"setting": "distance=l2", **changes})


def test_the_mege_table_holds_value_interval_floor_and_a_star_for_a_gain() -> None:
    results = table(
        mege(),
        mege("Slic", value=0.625, gain_low=0.01),
        mege("control:grid(Slic)", value=0.9, magnitude="after"),
        mege("Slic", value=0.999, magnitude="before", gain_low=0.5),
        mege("Slic", value=0.888, pair="0-1"),
        mege("Slic", value=0.777, setting="distance=spearman"),
        mege(method="GradCAM", value=0.5),
        mege("Grid", method="GradCAM", value=0.75, gain_low=0.0, magnitude="either"),
    )
    assert cell_texts(mege_table(results)) == [
        ["", "pixel", "S-, Slic", "S-, Grid"],
        ["Gradient", "0.250 [0.125, 0.500]\n/ 0.062", "0.625* [0.125, 0.500]\n/ 0.062", ""],
        ["GradCAM", "0.500 [0.125, 0.500]\n/ 0.062", "", "0.750 [0.125, 0.500]\n/ 0.062"],
    ]
    other = mege_table(results, "distance=spearman")
    assert cell_texts(other)[1:] == [["Gradient", "0.777 [0.125, 0.500]\n/ 0.062"]]


def test_the_mege_table_says_distance_models_data_and_what_the_interval_covers() -> None:
    title = mege_table(table(mege())).axes[0].get_title()
    assert title.split("\n")[0] == "MeGe, L2 distance: 2 x SmallResNet on birds"
    assert "value [95 % interval] / floor; intervals over images, for these models;" in title


def test_figures_are_drawn_and_leave_the_results_as_they_were() -> None:
    before = STUDY.copy(deep=True)
    stability_bars(STUDY, "saliency_ssim").canvas.draw()
    pd.testing.assert_frame_equal(STUDY, before)
