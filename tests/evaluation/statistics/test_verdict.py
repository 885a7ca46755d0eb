"""Verdicts: chosen here, reported there, and rarely wrong."""

import numpy as np
import pandas as pd
import pytest

from lightning_spx.evaluation.statistics.halves import holm
from lightning_spx.evaluation.statistics.results import summarize
from lightning_spx.evaluation.statistics.trainings import OTHER_MODELS, THESE_MODELS
from lightning_spx.evaluation.statistics.verdict import Verdict, scope_sentence, sentence, verdicts

CONTROLS = ("grid", "voronoi", "borrowed", "blur")


def frame(
    gains: dict[str, dict[str, float]], num_images: int = 80, seed: int = 0, repeats: int = 1, noise: float = 0.05
) -> pd.DataFrame:
    """Per-image values in which each segmenter of each method lies above its controls by a known amount."""
    draw = np.random.default_rng(seed)
    parts = []
    for method, segmenters in gains.items():
        for repeat in range(repeats):
            common = draw.normal(0.4, 0.1, num_images)
            rows = {"pixel": 0.0}
            for name, gain in segmenters.items():
                rows |= {name: gain, **{f"control:{control}({name})": 0.0 for control in CONTROLS}}
            for name, gain in rows.items():
                parts.append(
                    pd.DataFrame(
                        {
                            "pair": "0-1",
                            "superpixels": name,
                            "magnitude": "either" if name == "pixel" else "after",
                            "metric": "saliency_ssim",
                            "setting": "",
                            "index": np.arange(num_images) * 3,
                            "agree": True,
                            "differ": False,
                            "num_segments": 20,
                            "constant": False,
                            "value": common + gain + draw.normal(0, noise, num_images),
                            "permuted": 0.0,
                            "mismatched": 0.0,
                            "method": method,
                            "repeat": repeat,
                        }
                    )
                )
    return pd.concat(parts, ignore_index=True)


def halves(table: pd.DataFrame, seed: int = 0) -> tuple[set[int], set[int]]:
    images = np.sort(table["index"].unique())
    chosen = set(np.random.default_rng(seed).permutation(images)[: len(images) // 2].tolist())
    return chosen, set(images.tolist()) - chosen


def test_a_gain_is_found_and_the_rest_is_not() -> None:
    found = verdicts(frame({"Gradient": {"Slic": 0.0, "Grid": -0.1}, "IG": {"Slic": 0.05, "Watershed": 0.2}}))
    assert [(verdict.method, verdict.has_gain) for verdict in found] == [("Gradient", False), ("IG", True)]
    assert found[1].superpixels == "Watershed"
    assert found[1].gain == pytest.approx(0.2, abs=0.04)
    assert found[1].low < found[1].gain < found[1].high


def test_the_numbers_are_those_of_a_summary_of_the_reporting_half() -> None:
    table = frame({"IG": {"Slic": 0.1, "Watershed": 0.2}})
    (verdict,) = verdicts(table, num_resamples=200, seed=4)
    _, reporting = halves(table, seed=4)
    results = summarize(table[table["index"].isin(reporting)], dataset="", models="", num_resamples=200, seed=4)
    row = results[results["superpixels"] == verdict.superpixels].iloc[0]
    for name, column in (("gain", "gain"), ("low", "gain_low"), ("high", "gain_high"), ("excess", "excess")):
        assert getattr(verdict, name) == pytest.approx(row[column], abs=1e-12)
    assert verdict.best_control == row["best_control"]
    assert verdict.num_images == 40


def test_the_choice_does_not_look_at_the_reporting_half() -> None:
    table = frame({"IG": {"Slic": 0.1, "Watershed": 0.2}})
    _, reporting = halves(table)
    changed = table.copy()
    here = changed["index"].isin(reporting) & (changed["superpixels"] == "Watershed")
    changed.loc[here, "value"] -= 0.5
    before, after = verdicts(table)[0], verdicts(changed)[0]
    assert (before.superpixels, after.superpixels) == ("Watershed", "Watershed")
    assert before.has_gain
    assert not after.has_gain


def test_the_report_does_not_look_at_the_choosing_half() -> None:
    table = frame({"IG": {"Slic": 0.1}})
    chosen, _ = halves(table)
    changed = table.copy()
    changed.loc[changed["index"].isin(chosen), "value"] *= 0.5
    assert verdicts(table) == verdicts(changed)


def test_a_row_below_its_floor_gains_nothing() -> None:
    table = frame({"IG": {"Slic": 0.2}}).assign(permuted=0.9)
    (verdict,) = verdicts(table)
    assert verdict.gain > 0
    assert not verdict.has_gain


def test_repeats_widen_what_the_interval_covers() -> None:
    (verdict,) = verdicts(frame({"IG": {"Slic": 0.2}}, repeats=3))
    assert verdict.scope == OTHER_MODELS


def test_too_few_images_give_no_verdict() -> None:
    assert verdicts(frame({"IG": {"Slic": 0.2}}, num_images=7)) == []
    assert len(verdicts(frame({"IG": {"Slic": 0.2}}, num_images=8))) == 1
    assert sentence([]) == "Super-pixels (SSIM): too few images, or no S- rows, for a verdict."


def test_holm_multiplies_by_what_is_left_and_never_falls() -> None:
    # by hand: 0.01 x 3, then 0.03 x 2 = 0.06, then 0.04 x 1, raised to 0.06
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize("number", [6, pytest.param(60, marks=pytest.mark.soak)])
def test_noise_is_rarely_taken_for_a_gain(number: int) -> None:
    methods = {f"method{number}": {name: 0.0 for name in ("A", "B", "C")} for number in range(4)}
    wrong = sum(
        any(verdict.has_gain for verdict in verdicts(frame(methods, 40, seed), num_resamples=200, seed=seed))
        for seed in range(number)
    )
    # far rarer than the level of the test: a claim needs a gain over each of four controls
    assert wrong == 0


def test_the_sentence_names_gains_with_their_intervals_and_the_rest() -> None:
    gain = Verdict(
        "IG", "Slic", "after", 0.06, 0.04, 0.08, "control:blur(Slic)", 0.001, 0.4, 200, "over images, for these models"
    )
    none = Verdict("SmoothGrad", "Slic", "after", 0.0, -0.1, 0.1, "control:grid(Slic)", 1.0, 0.4, 200, gain.scope)
    more = "more stable than the best smoothing control for IG by 0.06 [0.04, 0.08] with Slic"
    assert sentence([gain]) == f"Super-pixels (SSIM): {more}."
    assert sentence([gain, none]) == f"Super-pixels (SSIM): {more}; no gain over smoothing for SmoothGrad."
    assert sentence([none, none]) == "Super-pixels (SSIM): no gain over smoothing for SmoothGrad and SmoothGrad."


def test_the_scope_says_what_the_numbers_rest_on() -> None:
    assert scope_sentence([THESE_MODELS], 200, 2, 4) == (
        "Methods and rows are chosen on one half of the images and measured on the other 200; 95 % intervals cover "
        "images, for these 2 models; Holm's correction over 4 methods."
    )
    assert "cover images and models of this data and architecture; Holm's correction over 1 method." in scope_sentence(
        [OTHER_MODELS], 20, 5, 1
    )


def test_methods_of_blank_maps_have_no_verdict_and_are_not_corrected_for() -> None:
    full, blank = frame({"IG": {"Slic": 0.2}}), frame({"Gradient": {"Slic": 0.2}}, seed=1).assign(constant=True)
    (alone,), (silent, found) = verdicts(full), verdicts(pd.concat([blank, full]))
    assert (silent.method, silent.why_none, silent.has_gain) == ("Gradient", "blank maps", False)
    assert found == alone
    said = sentence([silent, found])
    assert said.endswith(" with Slic; no verdict for Gradient (blank maps).")


def test_a_floor_of_one_leaves_no_verdict() -> None:
    (silent,) = verdicts(frame({"IG": {"Slic": 0.2}}).assign(permuted=1.0))
    assert sentence([silent]) == "Super-pixels (SSIM): no verdict for IG (no excess: the floor is 1)."
    assert sentence([silent, silent]) == "Super-pixels (SSIM): no verdict for IG and IG (no excess: the floor is 1)."
