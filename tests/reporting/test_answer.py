"""The answer as plain values, and the marks that it puts beside rows."""

from typing import Any

import pytest

from lightning_spx.reporting.answer import DIFFERS, Answer

WHOLE = Answer(
    "birds",
    ["Partly: they agree."],
    models=["model 0: 90 %"],
    warnings=["Few."],
    notes=["Of all."],
    unconfirmed={"saliency_ssim": ["Gradient"]},
)


def test_plain_values_hold_all_of_an_answer() -> None:
    assert Answer.of(WHOLE.content()) == WHOLE
    assert WHOLE.text == "Partly: they agree. Warning: Few."


def test_files_of_earlier_versions_have_title_and_verdicts_alone() -> None:
    assert Answer.of({"title": "birds", "verdicts": ["Stable."]}) == Answer("birds", ["Stable."])


@pytest.mark.parametrize(
    "changes",
    [
        {"title": 1},
        {"verdicts": "text"},
        {"verdicts": [1]},
        {"warnings": None},
        {"models": {}},
        {"unconfirmed": []},
        {"unconfirmed": {"saliency_ssim": "Gradient"}},
    ],
)
def test_other_values_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Expected"):
        Answer.of({**WHOLE.content(), **changes})


def test_without_sentences_there_is_no_answer() -> None:
    with pytest.raises(ValueError, match="verdicts"):
        Answer.of({"title": "birds"})


def test_only_a_gain_that_the_answer_does_not_confirm_is_marked() -> None:
    assert WHOLE.said("saliency_ssim", "Gradient", "gain") == DIFFERS
    assert WHOLE.said("saliency_ssim", "SmoothGrad", "gain") == "gain"
    assert WHOLE.said("mege", "Gradient", "gain") == "gain"
    assert WHOLE.said("saliency_ssim", "Gradient", "blank maps") == "blank maps"
