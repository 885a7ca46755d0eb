"""The answer of a study, made from its values per image: what it says, and what it warns of."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from lightning_spx.evaluation.statistics.answer import PlanValues, study_answer
from lightning_spx.evaluation.statistics.results import summarize
from lightning_spx.evaluation.statistics.trainings import OTHER_MODELS
from lightning_spx.reporting.answer import Answer
from lightning_spx.reporting.rows import of_condition, with_finding
from tests.evaluation.statistics.test_verdict import frame


def values_of(folder: Path, table: pd.DataFrame, extra: pd.DataFrame | None = None) -> PlanValues:
    files = {}
    for number, (method, rows) in enumerate(table.groupby("method", sort=False)):
        path = folder / f"{number}.parquet"
        rows.to_parquet(path)
        files[str(method)] = [path]
    results = summarize(table, dataset="birds", models="2 nets", num_resamples=20)
    results = results if extra is None else pd.concat([results, extra], ignore_index=True)
    return PlanValues(files, results, ["0", "1"], num_repeats=table["repeat"].nunique())


def answer_of(folder: Path, table: pd.DataFrame, extra: pd.DataFrame | None = None) -> Answer:
    return study_answer({"disjoint": values_of(folder, table, extra)}, seed=0)


def test_the_answer_says_first_whether_maps_agree_then_whether_super_pixels_help(tmp_path: Path) -> None:
    answer = answer_of(tmp_path, frame({"Gradient": {"Slic": 0.0}, "IG": {"Slic": 0.2}}))
    assert answer.title == "Stability of saliency maps: 2 nets on birds"
    assert [said.partition(":")[0] for said in answer.sentences] == [
        "Partly",
        "Super-pixels (SSIM)",
        "Other trainings may differ",
        "Methods and rows are chosen on one half of the images and measured on the other 40; 95 % intervals cover "
        "images, for these 2 models; Holm's correction over 2 methods.",
    ]
    assert "for IG by 0.19 [0.16, 0.21] with Slic; no gain over smoothing for Gradient" in answer.sentences[1]
    assert answer.unconfirmed == {"saliency_ssim": ["Gradient"]}
    assert list(answer.warnings) == []


def test_each_plan_answers_for_itself_and_all_claims_are_corrected_together(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    plans = {
        "seeds": values_of(folders[0], frame({"Gradient": {"Slic": 0.2}, "IG": {"Slic": 0.0}}, repeats=3)),
        "disjoint": values_of(folders[1], frame({"Gradient": {"Slic": 0.0}, "IG": {"Slic": 0.2}}, seed=1)),
    }
    answer = study_answer(plans, seed=0)
    assert answer.title == "Stability of saliency maps on birds, plans seeds and disjoint"
    assert [said.split(" ")[0] for said in answer.sentences].count("seeds:") == 3
    assert answer.unconfirmed == {"seeds/saliency_ssim": ["IG"], "disjoint/saliency_ssim": ["Gradient"]}
    assert answer.said("saliency_ssim", "IG", "gain", "seeds") == "gain*"
    assert answer.said("saliency_ssim", "IG", "gain", "disjoint") == "gain"
    assert answer.sentences[-1].endswith("Holm's correction over 4 methods in 2 plans.")
    assert "in each plan what its tables say" in answer.sentences[-1]


def test_the_answer_says_what_more_trainings_would_bring(tmp_path: Path) -> None:
    table = frame({"IG": {"Slic": 0.2}}, repeats=3)
    shifted = table.assign(value=table["value"] + 0.1 * (table["repeat"] - 1))
    said = [text for text in answer_of(tmp_path, shifted).sentences if "trainings in the place of 6" in text]
    assert len(said) == 1
    assert said[0].endswith("would halve the interval of IG's excess.")


def test_the_answer_says_what_holds_where_models_agree_about_the_class(tmp_path: Path) -> None:
    table = frame({"IG": {"Slic": 0.2}}, num_images=80)
    same = table["index"] < 120  # 40 images, of twice the agreement
    table = table.assign(same=same, agree=False, value=np.where(same, 0.8, 0.4))
    answer = answer_of(tmp_path, table)
    (said,) = [text for text in answer.sentences if text.startswith("On the")]
    assert said.startswith("On the 40 of 80 images for which two models predict the same, IG's excess is 0.80 [")
    assert "There are no rows of the condition both_right: there is no image on which two models are right." in list(
        answer.warnings
    )


def test_images_that_count_for_some_pairs_alone_are_said_to(tmp_path: Path) -> None:
    table = frame({"IG": {"Slic": 0.2}}, num_images=80, repeats=2)
    # every image has the same prediction in one of two repeats, a single one in both
    same = (table["index"] % 2 == table["repeat"]) | (table["index"] == 0)
    table = table.assign(same=same, agree=table["index"] == 0, value=np.where(same, 0.8, 0.4))
    (said,) = [text for text in answer_of(tmp_path, table).sentences if text.startswith("On the")]
    words = "On the 80 of 80 images for which two models predict the same (not each for every pair of models), IG's"
    assert said.startswith(f"{words} excess is 0.80 [")
    assert said.endswith("].")


def test_a_single_image_of_a_condition_has_no_interval(tmp_path: Path) -> None:
    table = frame({"IG": {"Slic": 0.2}}, num_images=80)
    table = table.assign(same=table["index"] == 0, agree=False, value=0.5)
    (said,) = [text for text in answer_of(tmp_path, table).sentences if text.startswith("On the")]
    assert said == "On the 1 of 80 images for which two models predict the same, IG's excess is 0.50."


def test_blank_maps_of_the_first_method_do_not_say_what_intervals_cover(tmp_path: Path) -> None:
    table = frame({"Blank": {"Slic": 0.0}, "IG": {"Slic": 0.2}}, repeats=3)
    table = table.assign(constant=table["method"] == "Blank")
    assert f"cover images and {OTHER_MODELS}" in answer_of(tmp_path, table).sentences[-1]


def test_a_study_of_architectures_alone_is_about_these_models(tmp_path: Path) -> None:
    table = frame({"IG": {"Slic": 0.2}}, repeats=3).assign(plan="")
    answer = study_answer({"models": values_of(tmp_path, table)}, seed=0)
    assert "cover images, for these 2 models" in answer.sentences[-1]


def test_agreement_of_many_methods_is_not_lost_to_the_number_of_draws(tmp_path: Path) -> None:
    methods = {f"m{number}": {"Slic": 0.2} for number in range(85)}
    answer = answer_of(tmp_path, frame(methods, num_images=60, noise=0.0))
    assert answer.sentences[0].startswith("Partly")
    assert "not above chance" not in answer.sentences[0]
    assert answer.unconfirmed == {"saliency_ssim": []}


def test_an_answer_on_few_images_is_warned_of_by_the_images_that_it_is_measured_on(tmp_path: Path) -> None:
    (warning,) = answer_of(tmp_path, frame({"IG": {"Slic": 0.2}}, num_images=40)).warnings
    assert warning.startswith("The answer is measured on 20 images")


def test_without_an_answer_no_gain_is_confirmed(tmp_path: Path) -> None:
    answer = answer_of(tmp_path, frame({"IG": {"Slic": 0.2}}, num_images=7))
    assert answer.sentences[0].startswith("No answer")
    assert answer.unconfirmed == {"saliency_ssim": ["IG"]}
    assert list(answer.warnings) == ["Too few images: an answer needs 8."]


def test_blank_maps_of_many_images_are_not_too_few_images(tmp_path: Path) -> None:
    answer = answer_of(tmp_path, frame({"IG": {"Slic": 0.2}}, num_images=80).assign(constant=True))
    assert answer.sentences == ["No answer: blank maps.", "Super-pixels (SSIM): no verdict for IG (blank maps)."]
    assert list(answer.warnings) == []


def test_a_rare_finding_and_a_surviving_control_are_no_reason_to_warn(tmp_path: Path) -> None:
    table = frame({"IG": {"Slic": 0.2}})
    results = summarize(table, dataset="birds", models="2 nets", num_resamples=20)
    rare = results.head(1).assign(setting=with_finding("", "crest"), num_images=0)
    checked = of_condition(results).assign(metric="sanity_ssim", setting="randomised=100%", ci_low=0.5, floor=0.1)
    survives = checked["superpixels"].str.startswith("control:")
    checked.loc[~survives, "ci_low"] = 0.0
    answer = answer_of(tmp_path, table, pd.concat([rare, checked]))
    assert list(answer.warnings) == []
    assert answer.sentences[-1].startswith("Sanity check: none of 2 kinds of maps survives")


def test_groups_of_models_are_warned_of(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    pairs = [(first, second) for first in range(6) for second in range(first + 1, 6)]
    one = frame({"IG": {"Slic": 0.2}}, num_images=40)
    # models 0 to 2 and 3 to 5 agree more with their own group
    shifts = [0.2 * ((first < 3) == (second < 3)) + draw.normal(0, 0.01) for first, second in pairs]
    table = pd.concat(
        [
            one.assign(pair=f"{first}-{second}", value=one["value"] + shift + draw.normal(0, 0.01, len(one)))
            for (first, second), shift in zip(pairs, shifts, strict=True)
        ]
    )
    values = replace(values_of(tmp_path, table), names=[str(number) for number in range(6)])
    (warning,) = [text for text in study_answer({"": values}, seed=0).warnings if "differently" in text]
    assert warning.startswith("IG: Models 0, 1, 2 and models 3, 4, 5 explain differently (p = 0.00")
