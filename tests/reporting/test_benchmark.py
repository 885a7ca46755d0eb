"""The table and the figures of `spx bench` show what was measured."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle
from rich.console import Console

from lightning_spx.reporting.benchmark import benchmark_table, exactness_figure, growth_figure, times_figure


def row(section: str, what: str, by: str, batch: int, milliseconds: float) -> dict[str, object]:
    return {
        "section": section,
        "what": what,
        "by": by,
        "batch": batch,
        "milliseconds": milliseconds,
        "quartile_low": 0.9 * milliseconds,
        "quartile_high": 1.2 * milliseconds,
        "peak_mib": 3.0,
        "evaluations": 0,
    }


TABLE = pd.DataFrame(
    [
        row("segments", "Slic", "lightning_spx", 1, 4.0),
        row("gradients", "Gradient", "lightning_spx", 1, 20.0),
        row("gradients", "Gradient", "captum", 1, 50.0),
        row("segments", "Slic", "lightning_spx", 8, 2.0),
        row("segments", "Slic", "scikit-image", 8, 3000.0),
        row("growth over draws", "4", "lightning_spx", 8, 40.0),
        row("growth over draws", "8", "lightning_spx", 8, 84.0),
    ]
)


def test_the_table_says_how_many_times_ours_a_peer_takes() -> None:
    console = Console(width=200, record=True)
    console.print(benchmark_table(TABLE))
    lines = console.export_text().splitlines()
    (scikit,) = [line for line in lines if "scikit-image" in line]
    assert "3,000 [2,700, 3,600]" in scikit
    assert "1500.00" in scikit
    assert "2.50" in next(line for line in lines if "captum" in line)


def test_bars_are_those_of_the_largest_batch_section_by_section() -> None:
    figure = times_figure(TABLE)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["segments: Slic, 8 images", "gradients: Gradient"]
    widths = [bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle)]
    assert widths == pytest.approx([2.0, 3000.0, 20.0, 50.0])
    assert [text.get_text().strip() for text in axes.texts] == ["2", "3,000", "20", "50"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["lightning_spx", "scikit-image", "captum"]
    colors = [bar.get_facecolor() for bar in axes.patches]
    assert colors[0] == colors[2]
    assert len(set(colors)) == 3


def test_growth_is_drawn_beside_a_line_through_the_origin() -> None:
    (axes,) = growth_figure(TABLE).axes
    line = next(line for line in axes.lines if line.get_linestyle() == ":")
    assert np.asarray(line.get_xydata()).tolist() == [[0.0, 0.0], [8.0, 84.0]]
    assert axes.get_xlabel() == "draws"


def test_errors_are_drawn_where_their_evaluations_are() -> None:
    errors = pd.DataFrame(
        [
            {"method": "IG", "what": what, "evaluations": evaluations, "error": error}
            for what, evaluations, error in (("50 nodes", 50, 0.1), ("50 nodes", 50, 0.3), ("adaptive", 40, 0.2))
        ]
    )
    (axes,) = exactness_figure(errors).axes
    points = [np.asarray(line.get_xydata())[0] for line in axes.lines if line.get_marker() in ("o", "s")]
    assert np.allclose(points, [(50, 0.2), (40, 0.2)])
