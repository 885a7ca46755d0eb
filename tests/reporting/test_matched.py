"""Gains at matched fidelity as a table and on the page, and the front of blurs in the figure."""

import numpy as np
import pandas as pd
import pytest

from lightning_spx.reporting import Page, front_figure, render_page
from lightning_spx.reporting.answer import Answer
from lightning_spx.reporting.matched import TITLE, matched_cells
from tests.reporting.cases import NAN, row, table

BLUR = "control:blur(sigma=4)"
# excess and fidelity, higher being better
PLACES = {"pixel": (0.1, 0.5), "Slic": (0.4, 0.3), "JointBilateral": (0.3, 0.6), BLUR: (0.5, 0.2)}
AXES = ("excess", "fidelity")
GAIN, LIMITS = {"Slic": 0.05, "JointBilateral": 0.2}, {"ci_low": -0.01, "ci_high": 0.25}


def study(metric: str = "road", setting: str = "order=combined") -> pd.DataFrame:
    sign = -1 if metric == "deletion" else 1
    rows = []
    for name, (excess, fidelity) in PLACES.items():
        gain = {"gain": NAN} if name in ("pixel", BLUR) else {"gain": 0.125, "gain_low": 0.0625, "gain_high": 0.25}
        rows.append(row(name, excess=excess, **gain))
        rows.append(row(name, metric=metric, setting=setting, value=sign * fidelity, excess=NAN, floor=NAN))
        for order, value in (("", GAIN.get(name, 0.0)), (";order=same", GAIN.get(name, 0.0) + 0.01)):
            said = f"against={metric}{order}"
            rows.append(row(name, metric="matched_gain", setting=said, value=value, excess=NAN, floor=NAN, **LIMITS))
    return table(*rows)


@pytest.mark.parametrize(
    ("metric", "setting"), [("road", "order=combined"), ("insertion", "substrate=blur"), ("deletion", "substrate=blur")]
)
def test_each_row_has_its_gains_and_says_if_no_blur_is_as_faithful(metric: str, setting: str) -> None:
    cells = matched_cells(study(metric, setting))
    assert cells["super-pixels"].tolist() == ["pixel", "Slic, 56", "JointBilateral, 56"]
    assert cells["gain over best control"].tolist() == ["", *["+0.125 [+0.062, +0.250] grid"] * 2]
    assert cells["gain at matched fidelity"].tolist() == [
        "+0.000 [-0.010, +0.250]",
        "+0.050 [-0.010, +0.250]",
        "+0.200 [-0.010, +0.250] beyond",
    ]
    assert cells["over blurs of its order"][1] == "+0.060 [-0.010, +0.250]"
    assert cells["excess SSIM"].tolist() == ["0.100", "0.400", "0.300"]
    shown = [float(each) for each in cells.iloc[:, 4]]
    assert shown == [-fidelity if metric == "deletion" else fidelity for fidelity in (0.5, 0.3, 0.6)]


def test_a_missing_gain_is_a_dash_and_other_results_have_no_table() -> None:
    missing = study()
    missing.loc[(missing["metric"] == "matched_gain") & (missing["superpixels"] == "Slic"), "value"] = NAN
    assert matched_cells(missing)["gain at matched fidelity"][1] == "\N{EN DASH}"
    assert matched_cells(study()[study()["metric"] != "matched_gain"]).empty
    assert matched_cells(table(row(), row("Slic"))).empty
    # an edited file
    assert matched_cells(table(row(), row(metric="matched_gain", setting="against=nothing"))).empty
    assert len(matched_cells(study()[1:])) == 2


def test_the_page_shows_the_table_once() -> None:
    shown = render_page(Page(Answer("birds", []), study(), {}, None, {}, "", ""))
    assert shown.count(f"<caption>{TITLE}</caption>") == 1
    assert "matched_gain" not in shown
    assert "+0.200 <span>[-0.010, +0.250] beyond</span>" in shown
    without = study()[study()["metric"] != "matched_gain"]
    assert TITLE not in render_page(Page(Answer("birds", []), without, {}, None, {}, "", ""))


def test_the_figure_draws_the_hull_of_the_blurs() -> None:
    rows = [
        dict(method="Gradient", superpixels=name, magnitude="after", mean_segments=9.0, on_front=name == "Slic")
        | {"on_hull": name in ("pixel", BLUR)}
        | {f"{axis}{end}": value for axis, value in zip(AXES, place, strict=True) for end in ("", "_low", "_high")}
        for name, place in PLACES.items()
    ]  # fmt: skip
    front = pd.DataFrame(rows)

    def hulls(shown: pd.DataFrame) -> list[np.ndarray]:
        (axes,) = front_figure(shown, "ROAD", "birds").axes
        return [np.asarray(line.get_xydata()) for line in axes.lines if "blurs" in str(line.get_label())]

    (drawn,) = hulls(front)
    # from the most faithful one to the most stable one, and down from there
    np.testing.assert_allclose(drawn, [[0.1, 0.5], [0.5, 0.2], [0.5, 0.2]])
    assert hulls(front.drop(columns="on_hull")) == []
    assert hulls(front.assign(on_hull=False)) == []
