"""Results of retrainings: which end is good, and intervals that are Student's."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from lightning_spx.evaluation.roar.orders import Order
from lightning_spx.evaluation.roar.retraining import UNTOUCHED, Retraining
from lightning_spx.evaluation.roar.summary import mean_interval, roar_results, roar_sentences
from lightning_spx.runs.folder import RunFolder


def write_units(folder: Path, values: Mapping[tuple[str, str], Sequence[float]]) -> tuple[RunFolder, list[Retraining]]:
    run_folder, units = RunFolder(folder, {}), []
    for (method, superpixels), accuracies in values.items():
        for seed, accuracy in enumerate(accuracies):
            order = UNTOUCHED if method == "none" else Order(method, superpixels, "either")
            unit = Retraining(order, 0.0 if method == "none" else 50.0, seed)
            run_folder.write_json(f"units/{unit.name}.json", {"accuracy": accuracy})
            units.append(unit)
    return run_folder, units


@pytest.mark.parametrize(("removal", "gains"), [("roar", True), ("kar", False)])
def test_low_is_good_for_roar_and_high_for_kar(tmp_path: Path, removal: str, gains: bool) -> None:
    controls = {("G", f"control:{name}(X)"): (0.50, 0.52, 0.51) for name in ("grid", "voronoi", "borrowed", "blur")}
    values = {
        ("none", "pixel"): (0.9, 0.9, 0.9),
        ("random", "pixel"): (0.7, 0.7, 0.7),
        ("sobel", "pixel"): (0.6, 0.6, 0.6),
        ("G", "pixel"): (0.6, 0.6, 0.6),
        ("G", "X"): (0.40, 0.43, 0.41),
        **controls,
    }
    run_folder, units = write_units(tmp_path, values)
    results = roar_results(run_folder, units, "data", "net", 100, removal)
    row = results[results["superpixels"] == "X"].iloc[0]
    difference = np.array([0.10, 0.09, 0.10]) * (1 if removal == "roar" else -1)
    assert row["gain"] == pytest.approx(difference.mean())
    assert bool(row["gain_low"] > 0) is gains
    said = roar_sentences(results, num_classes=10)
    assert f"beats all controls at {int(gains)} of 1 percentages" in said[-1]


def test_intervals_are_students() -> None:
    mean, low, high = mean_interval([0.2, 0.4])
    # t(0.975, 1) = 12.706, standard error 0.1
    assert (mean, high - mean) == pytest.approx((0.3, 1.2706), abs=1e-4)
    assert mean - low == pytest.approx(high - mean)
    assert np.isnan(mean_interval([0.2])[1])
