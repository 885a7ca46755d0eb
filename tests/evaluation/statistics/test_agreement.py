"""How far maps agree over chance: chosen on one half of the images, measured on the other."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lightning_spx.evaluation.statistics.agreement import (
    Agreement,
    agreement_of,
    agreement_sentence,
    corrected_agreements,
)
from lightning_spx.evaluation.statistics.results import summarize
from tests.evaluation.statistics.test_verdict import frame, halves


def measured(tables: list[pd.DataFrame], num_resamples: int = 200, seed: int = 0) -> list[Agreement]:
    found = [agreement_of(table, num_resamples, seed) for table in tables]
    return corrected_agreements([each for each in found if each is not None])


def test_the_numbers_are_those_of_a_summary_of_the_reporting_half() -> None:
    table = frame({"IG": {"Slic": 0.1}}).assign(permuted=0.1, mismatched=0.05)
    found = agreement_of(table, num_resamples=200, seed=4)
    assert found is not None
    chosen, reporting = halves(table, seed=4)
    rows = [
        summarize(table[table["index"].isin(half)], dataset="", models="", num_resamples=200, seed=4)
        for half in (chosen, reporting)
    ]
    first, second = (part[part["superpixels"] == "pixel"].iloc[0] for part in rows)
    assert found.chosen_by == pytest.approx(first["excess"], abs=1e-12)
    assert found.excess == pytest.approx(second["excess"], abs=1e-12)
    assert found.low < found.excess < found.high
    # one floor for all images: the excess's interval is the value's, moved and stretched
    assert found.low == pytest.approx((second["ci_low"] - 0.1) / 0.9, abs=1e-12)
    assert found.high == pytest.approx((second["ci_high"] - 0.1) / 0.9, abs=1e-12)


def test_the_p_value_is_small_if_no_draw_is_below_chance() -> None:
    table = frame({"IG": {"Slic": 0.1}}, noise=0.0)
    (sure,) = measured([table])
    assert sure.p_value < 1e-6
    assert sure.above_chance
    (none,) = measured([table.assign(permuted=0.9)])
    assert none.p_value == 1.0
    assert not none.above_chance


def test_the_method_is_chosen_on_the_other_half() -> None:
    one, two = frame({"One": {"Slic": 0.0}}), frame({"Two": {"Slic": 0.0}})
    chosen, reporting = halves(one)
    one.loc[one["index"].isin(chosen), "value"] += 0.3
    two.loc[two["index"].isin(reporting), "value"] += 0.3
    sentence = agreement_sentence(measured([one, two]))
    assert sentence.startswith("Partly: One's maps agree best, excess 0.4")


@pytest.mark.parametrize(
    ("low", "word"),
    [(0.95, "Yes"), (0.9, "Yes"), (0.89, "Largely"), (0.6, "Largely"), (0.2, "Partly"), (0.1, "Hardly")],
)
def test_the_word_follows_from_the_lower_limit(low: float, word: str) -> None:
    found = Agreement("IG", 0.9, 0.97, low, 0.99, 0.001, num_images=50)
    assert agreement_sentence([found]).startswith(f"{word}: IG's maps agree, excess 0.97 [{low:.2f}, 0.99]")


def test_agreement_by_chance_alone_is_a_no() -> None:
    alone = Agreement("GradCAMs", 0.1, 0.02, -0.1, 0.1, 0.4, num_images=50)
    assert agreement_sentence([alone]).startswith(
        "No: GradCAMs' maps do not agree more than chance would have it, excess 0.02 [-0.10, 0.10] in SSIM by pixel"
    )
    both = agreement_sentence([alone, Agreement("IG", 0.05, 0.01, -0.1, 0.1, 0.4, num_images=50)])
    assert both.startswith("No: no method's maps agree more than chance would have it, GradCAMs', excess 0.02")


def test_an_interval_that_holds_chance_and_agreement_is_no_no() -> None:
    """Two repeats whose maps agree by half have an interval that reaches zero, which is no sign of chance."""
    wide = Agreement("IG", 0.5, 0.5, -0.2, 1.2, 0.035, num_images=100)
    assert agreement_sentence([wide]) == (
        "Not shown: IG's maps agree, excess 0.50 [-0.20, 1.20] in SSIM by pixel, which holds chance as well as "
        "agreement; 0 is chance, 1 a perfect match."
    )
    assert agreement_sentence([replace(wide, high=0.19)]).startswith("No: ")
    assert agreement_sentence([replace(wide, low=-np.inf, high=0.2)]).startswith("Not shown: ")


def test_an_interval_above_zero_that_does_not_pass_the_correction_is_no_no() -> None:
    found = [
        Agreement("IG", 0.1, 0.06, 0.01, 0.12, 0.04, num_images=50),
        Agreement("Gradient", 0.05, 0.01, -0.1, 0.1, 0.4, num_images=50),
    ]
    assert agreement_sentence(found).startswith("Not shown: IG's maps agree best, excess 0.06 [0.01, 0.12]")


def test_a_method_that_is_no_better_than_chance_is_named_beside_the_best() -> None:
    best, chance = (
        Agreement("IG", 0.1, 0.5, 0.4, 0.6, 0.001, num_images=50),
        Agreement("Gradient", 0.9, 0.02, -0.1, 0.1, 0.4, num_images=50),
    )
    sentence = agreement_sentence([chance, best])
    assert sentence.startswith("Partly: IG's maps agree best")
    assert sentence.endswith("; not above chance: Gradient.")


def test_blank_maps_perfect_chance_and_few_images_give_no_answer() -> None:
    table = frame({"IG": {"Slic": 0.2}})
    (blank,), (perfect,) = measured([table.assign(constant=True)]), measured([table.assign(permuted=1.0)])
    assert agreement_sentence([blank]) == "No answer: blank maps."
    assert agreement_sentence([perfect]) == "No answer: no excess: the floor is 1."
    assert np.isnan([blank.excess, perfect.excess]).all()
    assert agreement_of(frame({"IG": {"Slic": 0.2}}, num_images=7)) is None
    assert agreement_sentence([]) == "No answer: too few images, or no maps."


def test_noise_is_rarely_taken_for_agreement() -> None:
    draw = np.random.default_rng(0)
    wrong = 0
    for _ in range(100):
        table = frame({"IG": {"Slic": 0.0}}, num_images=40)
        table = table.assign(value=draw.normal(0.0, 0.1, len(table)), permuted=0.0, mismatched=0.0)
        wrong += sum(each.above_chance for each in measured([table], num_resamples=200))
    assert wrong <= 7  # 2.5 % of 100, and chance
