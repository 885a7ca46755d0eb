"""The recommendation finds a gain that was planted, and none where there is none."""

import numpy as np
import pandas as pd
import pytest

from lightning_spx.evaluation.tradeoff.recommendation import Recommendation, choose, recommend, sentences
from lightning_spx.evaluation.tradeoff.summary import Point, on_front


def points(**numbers: tuple[float, float]) -> dict[tuple[str, str], Point]:
    rows = {name: ("pixel", "either") if name == "pixel" else (name, "after") for name in numbers}
    return {rows[name]: Point(np.array([x]), np.array([y])) for name, (x, y) in numbers.items()}


def test_front_and_choice() -> None:
    assert on_front(points(a=(1, 0), b=(0, 1), c=(0.5, 0.5), d=(0.4, 0.4), e=(float("nan"), 9))) == {
        ("a", "after"), ("b", "after"), ("c", "after")
    }  # fmt: skip
    # equal rows do not beat each other
    assert len(on_front(points(a=(1, 1), b=(1, 1)))) == 2
    assert choose(points(pixel=(0, 1), a=(0.9, 0.9), b=(1, 0))) == ("a", "after")
    assert choose(points(pixel=(1, 1), a=(0.9, 0.9), b=(0.5, 0))) == ("pixel", "either")
    # what no model has made is no choice, and hides none
    assert choose({**points(pixel=(0, 0), a=(0.9, 0.9)), **points(**{"reference:edges": (1, 1)})}) == ("a", "after")
    controls = {("control:grid(a)", "after"): Point(np.array([5.0]), np.array([5.0]))}
    assert choose({**points(pixel=(0, 1), a=(0.9, 0.9)), **controls}) == ("a", "after")


def synthetic(shift: float, num_images: int = 60) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Per-image values in which the segmenter X beats its controls by `shift` in both numbers."""
    generator = np.random.default_rng(0)
    stability, fidelity = [], []
    names = ["pixel", "X", *(f"control:{name}(X)" for name in ("grid", "voronoi", "borrowed", "blur"))]
    for name in names:
        order = "either" if name == "pixel" else "after"
        level = {"pixel": 0.2, "X": 0.4 + shift}.get(name, 0.4)
        shared: dict[str, object] = {"superpixels": name, "magnitude": order, "method": "Gradient"}
        shared |= {"index": range(num_images), "num_segments": 9}
        noise = generator.normal(0, 0.02, (2, num_images))
        nulls = {"permuted": 0.1, "mismatched": 0.1, "agree": True, "differ": False}
        compared = pd.DataFrame({**shared, **nulls, "value": level + noise[0]})
        stability.append(compared.assign(metric="saliency_ssim", setting="", pair="0-1", repeat=0))
        removed = pd.DataFrame({**shared, "value": level + noise[1]})
        fidelity.append(removed.assign(metric="road", setting="order=combined", model="a"))
    return pd.concat(stability), pd.concat(fidelity)


def test_a_planted_gain_is_found_and_none_is_not() -> None:
    (found,) = recommend(*synthetic(0.1), against="road", num_resamples=500)
    assert found.row == ("X", "after")
    assert found.num_images == 30
    assert found.stability is not None
    assert found.fidelity is not None
    assert found.stability.has_gain
    assert found.fidelity.has_gain
    assert found.stability.pixel == pytest.approx(0.1 / 0.9, abs=0.02)
    assert "which beats smoothing in stability and road" in sentences([found], "road")[0]
    (none,) = recommend(*synthetic(-0.01), against="road", num_resamples=500)
    assert "which does not beat smoothing" in sentences([none], "road")[0]
    assert recommend(*synthetic(0.1, 6), against="road") == []
    stay = Recommendation("Gradient", ("pixel", "either"), None, None, 30)
    assert "stay with the pixel map" in sentences([stay], "road")[0]
