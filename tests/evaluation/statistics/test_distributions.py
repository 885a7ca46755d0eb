"""The values of single images: means over pairs and repeats, beside the null that is the floor of their mean."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lightning_spx.evaluation.statistics.distributions import image_means, image_values
from lightning_spx.reporting.distributions import FLOOR_STYLE, distribution_figure
from lightning_spx.reporting.figure_words import distribution_in_words
from lightning_spx.reporting.image_values import ImageValues
from lightning_spx.runs.blocks import COLUMNS, write_rows

KINDS = [("pixel", "either"), ("Slic", "after"), ("Slic", "before"), ("control:grid(Slic)", "after")]


def per_image() -> pd.DataFrame:
    """Two repeats, three pairs, five images: some do not count for a pair, and one for none."""
    draw = np.random.default_rng(0)
    rows = [
        {"repeat": repeat, "pair": pair, "superpixels": superpixels, "magnitude": magnitude, "index": index}
        for repeat in (0, 1)
        for superpixels, magnitude in KINDS
        for pair in ("0-1", "0-2", "1-2")
        for index in (3, 4, 7, 9, 12)
    ]
    table = pd.DataFrame(rows).assign(method="Gradient", metric="saliency_ssim", setting="", num_segments=9)
    table = table.assign(agree=True, differ=False, value=draw.random(len(rows)), permuted=0.1 * draw.random(len(rows)))
    table["mismatched"] = np.where(table["superpixels"] == "pixel", 0.0, draw.random(len(rows)))
    table.loc[(table["index"] == 4) & (table["pair"] != "0-1"), ["value", "permuted", "mismatched"]] = np.nan
    table.loc[table["index"] == 12, ["value", "permuted", "mismatched"]] = np.nan
    return table


def slow_means(rows: pd.DataFrame, superpixels: str, magnitude: str) -> tuple[list[float], list[float]]:
    own = rows[(rows["superpixels"] == superpixels) & (rows["magnitude"] == magnitude) & rows["value"].notna()]
    null = "permuted" if own["permuted"].mean() > own["mismatched"].mean() else "mismatched"
    values, floors = [], []
    for index in dict.fromkeys(own["index"]):
        of_image = [each for _, each in own.iterrows() if each["index"] == index]
        values.append(sum(each["value"] for each in of_image) / len(of_image))
        floors.append(sum(each[null] for each in of_image) / len(of_image))
    return values, floors


@pytest.mark.parametrize("pieces", [1, 7])
def test_values_are_means_over_pairs_and_repeats_however_the_rows_are_divided(pieces: int) -> None:
    rows = per_image()
    frames = [rows.iloc[places] for places in np.array_split(np.arange(len(rows)), pieces)]
    kinds = image_means(frames, "Gradient")
    assert [(kind.superpixels, kind.magnitude) for kind in kinds] == KINDS[:3]
    for kind in kinds:
        values, floors = slow_means(rows, kind.superpixels, kind.magnitude)
        np.testing.assert_allclose(kind.values, values, rtol=1e-12)
        np.testing.assert_allclose(kind.floors, floors, rtol=1e-12)


def test_blocks_give_the_same_and_other_metrics_are_left_out(tmp_path: Path) -> None:
    rows = per_image()
    paths = []
    for repeat, own in rows.groupby("repeat"):
        paths.append(tmp_path / f"{repeat}.parquet")
        mixed = pd.concat([own.assign(metric="topk_overlap", setting="k=0.1", value=9.0), own])
        write_rows(paths[-1], mixed[list(COLUMNS)], "study", {})
    for read, made in zip(
        image_values(paths, "Gradient", "saliency_ssim", ""), image_means([rows], "Gradient"), strict=True
    ):
        np.testing.assert_allclose(read.values, made.values, rtol=1e-12)
    assert image_values(paths, "Gradient", "reco", "") == []


def test_an_image_below_its_floor_counts_even_where_the_mean_is_above() -> None:
    kind = ImageValues("Gradient", "pixel", "either", np.array([0.5, 0.1, 0.4, 0.9]), np.array([0.2, 0.2, 0.4, 0.0]))
    assert kind.below_floor == 0.25
    assert kind.percentiles == pytest.approx((0.19, 0.45, 0.78))
    words = distribution_in_words([kind], "saliency_ssim")
    assert words.endswith(
        "Gradient by pixel: median 0.450, 10th percentile 0.190, 90th percentile 0.780, "
        "25 % of 4 images below their floor."
    )


def test_the_figure_has_two_halves_the_percentiles_and_the_share_of_each_kind() -> None:
    kinds = image_means([per_image()], "Gradient")
    axes = distribution_figure(kinds, "saliency_ssim", "", "3 nets, birds").axes[0]
    shown = [kind for kind in kinds if kind.magnitude != "before"]
    halves = axes.collections[: 2 * len(shown)]
    assert len(shown) == 2
    for number, kind in enumerate(shown):
        own, floor = halves[2 * number : 2 * number + 2]
        left, right = (np.asarray(half.get_paths()[0].vertices) for half in (own, floor))
        place = float(right[:, 0].min())
        assert left[:, 0].max() == pytest.approx(place)
        assert left[:, 1].min() == pytest.approx(kind.values.min())
        assert right[:, 1].max() == pytest.approx(kind.floors.max())
        line, median = axes.lines[2 * number : 2 * number + 2]
        low, middle, high = kind.percentiles
        assert np.asarray(line.get_ydata()).tolist() == pytest.approx([low, high])
        assert np.asarray(median.get_ydata()).tolist() == pytest.approx([middle])
        assert np.asarray(line.get_xdata()).tolist() == pytest.approx([place, place])
    assert [text.get_text() for text in axes.texts] == [f"{100 * kind.below_floor:.0f} %" for kind in shown]
    assert FLOOR_STYLE["facecolor"] == "white"


def test_constant_values_and_a_single_image_are_drawn() -> None:
    one = ImageValues("Gradient", "pixel", "either", np.ones(1), np.zeros(1))
    same = ImageValues("Gradient", "Slic", "before", np.full(5, 0.5), np.full(5, 0.5))
    figure = distribution_figure([one, same], "saliency_ssim", "", "birds")
    figure.canvas.draw()
    assert [text.get_text() for text in figure.axes[0].texts] == ["0 %", "0 %"]


def test_a_kind_without_images_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a value and a floor for each image, got shapes \(0,\) and \(0,\)"):
        ImageValues("Gradient", "pixel", "either", np.ones(0), np.ones(0))
