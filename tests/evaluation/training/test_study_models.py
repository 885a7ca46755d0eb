"""Which models a study has, and how many checkpoints it takes for them."""

import os

import pytest

from lightning_spx.data import SyntheticBirdsDataModule
from lightning_spx.data.splits import Plan
from lightning_spx.evaluation.training.study_plans import list_study_models


def birds(plan: Plan = "disjoint", num_parts: int = 2) -> SyntheticBirdsDataModule:
    return SyntheticBirdsDataModule(num_train=12, num_test=4, num_classes=2, plan=plan, num_parts=num_parts)


def test_models_count_up_part_by_part_and_repeat_by_repeat() -> None:
    models = list_study_models(birds(num_parts=3), 2, None)
    assert [(model.repeat, model.part, model.number) for model in models] == [
        (0, 0, 0),
        (0, 1, 1),
        (0, 2, 2),
        (1, 0, 3),
        (1, 1, 4),
        (1, 2, 5),
    ]
    assert [model.name for model in models[2:4]] == ["repeat0-model2", "repeat1-model0"]
    assert all(model.checkpoint is None for model in models)


def test_checkpoints_are_taken_in_order() -> None:
    models = list_study_models(birds(), 2, ["a", "b", "c", "d"])
    assert [(model.repeat, model.part, str(model.checkpoint)) for model in models] == [
        (0, 0, "a"),
        (0, 1, "b"),
        (1, 0, "c"),
        (1, 1, "d"),
    ]


def test_without_parts_there_are_as_many_models_as_checkpoints() -> None:
    models = list_study_models(birds("all"), 1, ["a", "b", "c"])
    assert [model.part for model in models] == [0, 1, 2]


def test_models_trained_on_the_same_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`data.plan` to be 'seeds', 'disjoint' or 'folds' unless .*, got 'all'"):
        list_study_models(birds("all"), 1, None)


def test_a_single_model_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Expected at least 2 models to compare .*, got 1"):
        list_study_models(birds(num_parts=1), 1, None)
    with pytest.raises(ValueError, match=r"Expected at least 2 models to compare .*, got 1"):
        list_study_models(birds("all"), 1, ["a"])


@pytest.mark.parametrize("count", [1, 3, 5])
def test_another_number_of_checkpoints_than_models_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"`checkpoints` to name 2 models for each of 2 repeats, got {count}"):
        list_study_models(birds(), 2, ["a"] * count)


def test_checkpoints_that_the_repeats_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="`checkpoints` to name 2 models for each of 2 repeats, got 5"):
        list_study_models(birds("all"), 2, ["a"] * 5)


class Payload:
    """What a malicious file holds: reading it makes a folder."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.path,)
