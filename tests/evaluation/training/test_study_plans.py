"""Which models serve which plan, how they are numbered and named, and which plans do not fit one another."""

from collections.abc import Sequence
from typing import cast

import pytest

from lightning_spx.evaluation.training.study_models import StudyModel
from lightning_spx.evaluation.training.study_plans import (
    PlannedModels,
    StudyPlan,
    all_models,
    models_in_words,
    plan_models,
)
from tests.evaluation.training.test_study_models import birds

Numbered = list[tuple[str, int, list[tuple[int, str]]]]


def numbered(groups: Sequence[PlannedModels]) -> Numbered:
    return [(each.plan, each.repeat, [(model.number, model.name) for model in each.members]) for each in groups]


def test_one_plan_has_the_models_that_the_plan_of_the_data_has() -> None:
    data, groups = plan_models(birds(num_parts=3), 2)
    assert data.plan == "disjoint"
    own = ["model0", "model1", "model2"]
    expected: Numbered = [
        ("disjoint", 0, list(enumerate(f"repeat0-{name}" for name in own))),
        ("disjoint", 1, list(enumerate((f"repeat1-{name}" for name in own), start=3))),
    ]
    assert numbered(groups) == expected
    # named among `plans`, whatever the plan of the data
    named, same = plan_models(birds("folds", num_parts=3), 2, plans=["disjoint"])
    assert named.plan == "disjoint"
    assert same == groups
    seeds = plan_models(birds(num_parts=3), 2, plans=["seeds"])
    assert seeds[0].plan == "seeds"
    assert [each.members for each in seeds[1]] == [each.members for each in groups]
    assert plan_models(birds("all"), 1, ["a", "b"])[1][0].plan == ""


def test_seeds_and_parts_share_the_first_model_and_further_ones_are_numbered_after_all_parts() -> None:
    data, groups = plan_models(birds(num_parts=3), 2, plans=["seeds", "disjoint"])
    assert data.plan == "disjoint"
    assert numbered(groups) == [
        ("seeds", 0, [(0, "repeat0-model0"), (6, "repeat0-seed1"), (7, "repeat0-seed2")]),
        ("seeds", 1, [(3, "repeat1-model0"), (8, "repeat1-seed1"), (9, "repeat1-seed2")]),
        ("disjoint", 0, [(0, "repeat0-model0"), (1, "repeat0-model1"), (2, "repeat0-model2")]),
        ("disjoint", 1, [(3, "repeat1-model0"), (4, "repeat1-model1"), (5, "repeat1-model2")]),
    ]
    assert groups[0].members[0] is groups[2].members[0]
    # all seeds of a repeat train on the first part, each in an order of its own
    assert [(model.part, model.replicate) for model in groups[1].members] == [(0, 0), (0, 1), (0, 2)]
    assert [model.number for model in all_models(groups)] == list(range(10))


def test_architectures_train_on_the_images_of_the_first_model() -> None:
    data, groups = plan_models(birds(), 1, plans=["models", "seeds", "disjoint"], num_architectures=2)
    assert data.plan == "disjoint"
    assert numbered(groups) == [
        ("models", 0, [(0, "repeat0-model0"), (3, "repeat0-architecture1"), (4, "repeat0-architecture2")]),
        ("seeds", 0, [(0, "repeat0-model0"), (2, "repeat0-seed1")]),
        ("disjoint", 0, [(0, "repeat0-model0"), (1, "repeat0-model1")]),
    ]
    assert [(model.part, model.replicate) for model in groups[0].members] == [(0, 0), (0, 2), (0, 3)]
    # no images need to be kept apart
    data, groups = plan_models(birds(), 1, plans=["seeds", "models"], num_architectures=1)
    assert data.plan == "seeds"
    assert numbered(groups) == [
        ("seeds", 0, [(0, "repeat0-model0"), (1, "repeat0-model1")]),
        ("models", 0, [(0, "repeat0-model0"), (2, "repeat0-architecture1")]),
    ]
    data, groups = plan_models(birds(), 2, plans=["models"], num_architectures=1)
    assert data.plan == "seeds"
    assert numbered(groups) == [
        ("models", 0, [(0, "repeat0-model0"), (2, "repeat0-architecture1")]),
        ("models", 1, [(1, "repeat1-model0"), (3, "repeat1-architecture1")]),
    ]


@pytest.mark.parametrize(
    ("plans", "num_architectures", "words"),
    [
        ([], 0, "`plans` to name at least one plan, got none"),
        (["halves"], 0, "`plans` to be some of seeds, disjoint, folds, models, got 'halves'"),
        (["seeds", "all"], 0, "got 'all': `all` is a plan of `data`, for given `checkpoints`"),
        (["seeds", "disjoint", "seeds"], 0, "each of `plans` once, got seeds, disjoint, seeds"),
        (["seeds", "folds"], 0, "the plan `folds` without others"),
        (["seeds", "models"], 0, "`architectures`, one or more beside `model`, for the plan `models`, got none"),
        (["seeds", "disjoint"], 1, "the plan `models` for `architectures`, got seeds, disjoint"),
    ],
)
def test_plans_that_do_not_fit_one_another_are_refused(plans: list[str], num_architectures: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        plan_models(birds(), 1, None, cast(list[StudyPlan], plans), num_architectures)


def test_what_does_not_go_with_plans_is_refused() -> None:
    with pytest.raises(ValueError, match="`architectures` with the plan `models` among `plans`, got no `plans`"):
        plan_models(birds(), 1, num_architectures=1)
    with pytest.raises(ValueError, match="`plans` without `checkpoints`"):
        plan_models(birds(), 1, ["a", "b"], ["seeds"])
    with pytest.raises(ValueError, match=r"at least 2 models to compare .*, got 1"):
        plan_models(birds(num_parts=1), 1, plans=["seeds"])
    with pytest.raises(ValueError, match=r"at least 2 models to compare .*, got 1"):
        plan_models(birds(num_parts=1), 1, plans=["models", "disjoint"], num_architectures=1)


def test_words_say_what_differs_and_how_many_images_each_model_was_trained_on() -> None:
    models = (StudyModel(0, 0, 0), StudyModel(0, 1, 1))
    facts = {model.name: {"network": "Net", "train_images": 20 + model.part} for model in models}
    words = [
        models_in_words(PlannedModels(plan, 0, models), facts, several=True) for plan in ("disjoint", "models", "seeds")
    ]
    assert words == [
        "2 x Net, disjoint parts of 20 to 21 images",
        "2 architectures, same 20 to 21 images",
        "2 x Net, other seeds, same 20 to 21 images",
    ]
    # as it has always been, and where nothing is known
    assert models_in_words(PlannedModels("disjoint", 0, models), facts, several=False) == "2 x Net"
    unknown = {model.name: {"network": "Net"} for model in models}
    assert models_in_words(PlannedModels("", 0, models), unknown, several=False) == "2 x Net"
