"""Lists the models of a study that follows one plan or several, each of which a model may serve."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, get_args

from lightning_spx.data import ImageDataModule
from lightning_spx.data.splits import Plan
from lightning_spx.evaluation.training.study_models import StudyModel

StudyPlan = Literal["seeds", "disjoint", "folds", "models"]


@dataclass(frozen=True)
class PlannedModels:
    """The models of one plan in one repeat, which are compared with one another.

    Args:
        plan: what differs between them; empty for checkpoints of which no plan is known.
        repeat: number of the repeat.
        members: the models. Under several plans the first one is the same model in all of them.
    """

    plan: StudyPlan | Literal[""]
    repeat: int
    members: tuple[StudyModel, ...]


def all_models(groups: Sequence[PlannedModels]) -> list[StudyModel]:
    """Return every model of a study once, in the order of their numbers."""
    return sorted({model for group in groups for model in group.members}, key=attrgetter("number"))


def list_study_models(data: ImageDataModule, repeats: int, checkpoints: Sequence[str] | None) -> list[StudyModel]:
    """List the models of a study.

    Raises:
        ValueError: there are fewer than two models, the plan does not say how they differ, or the number of checkpoints
            does not match.
    """
    if data.plan == "all" and not checkpoints:
        raise ValueError(
            "Expected `data.plan` to be 'seeds', 'disjoint' or 'folds' unless `checkpoints` are given, got 'all': "
            "'seeds' trains all models on the same images."
        )
    num_models = len(checkpoints or []) // repeats if data.plan == "all" else data.num_parts
    if num_models < 2:
        raise ValueError(
            f"Expected at least 2 models to compare (`data.num_parts` or `checkpoints`), got {num_models}."
        )
    if checkpoints and len(checkpoints) != num_models * repeats:
        raise ValueError(
            f"Expected `checkpoints` to name {num_models} models for each of {repeats} repeats, got {len(checkpoints)}."
        )
    files = [Path(path) for path in checkpoints] if checkpoints else [None] * (num_models * repeats)
    return [StudyModel(number // num_models, number % num_models, number, file) for number, file in enumerate(files)]


def plan_models(
    data: ImageDataModule,
    repeats: int,
    checkpoints: Sequence[str] | None = None,
    plans: Sequence[StudyPlan] | None = None,
    num_architectures: int = 0,
) -> tuple[ImageDataModule, list[PlannedModels]]:
    """List the models of a study, plan by plan and repeat by repeat.

    Under several plans all models of a repeat train on equally many images: those of the plans `seeds` and `models` on
    the images of the first disjoint part, or without the plan `disjoint` on the whole pool or a draw of
    `images_per_part` of its images. The model of the first part belongs to every plan, and is trained once.

    Args:
        data: the study's data.
        repeats: number of repeats.
        checkpoints: files of trained models.
        plans: what the study compares; None takes the plan of the data.
        num_architectures: number of architectures beside that of the first model.

    Returns:
        The data, under the plan that deals its images, and the models of each plan and repeat.

    Raises:
        ValueError: the plans do not fit one another, or there are fewer than two models.

    Example:
        >>> from lightning_spx.data import SyntheticBirdsDataModule
        >>> _, groups = plan_models(SyntheticBirdsDataModule(num_parts=2), 1, plans=["disjoint", "seeds"])
        >>> [(group.plan, [model.name for model in group.members]) for group in groups]
        [('disjoint', ['repeat0-model0', 'repeat0-model1']), ('seeds', ['repeat0-model0', 'repeat0-seed1'])]
    """
    if plans is None:
        if num_architectures:
            raise ValueError("Expected `architectures` with the plan `models` among `plans`, got no `plans`.")
        models = list_study_models(data, repeats, checkpoints)
        plan: StudyPlan | Literal[""] = "" if data.plan == "all" else data.plan
        return data, [PlannedModels(plan, repeat, own) for repeat, own in enumerate(_by_repeat(models, repeats))]
    _check(plans, num_architectures)
    if checkpoints:
        raise ValueError("Expected `plans` without `checkpoints`, whose models are trained already, got both.")
    data = data.use_plan(_plan_of_data(plans))
    if plans == ["models"]:
        models = [StudyModel(repeat, 0, repeat) for repeat in range(repeats)]
    else:
        models = list_study_models(data, repeats, None)
    num_seeds = data.num_parts - 1 if data.plan == "disjoint" and "seeds" in plans else 0
    of_repeat = [
        (own, _further(repeat, len(models), num_seeds, num_architectures))
        for repeat, own in enumerate(_by_repeat(models, repeats))
    ]
    return data, [
        PlannedModels(plan, repeat, own if plan == data.plan else (own[0], *_of_plan(plan, further)))
        for plan in plans
        for repeat, (own, further) in enumerate(of_repeat)
    ]


def models_in_words(group: PlannedModels, facts: Mapping[str, Mapping[str, Any]], *, several: bool) -> str:
    """Name the models of a plan in tables, with what differs and the number of images that each was trained on.

    Args:
        group: the models.
        facts: what is known of each model, by its name: `network`, and `train_images` of those that a study trained.
        several: whether the study has several plans; a study of parts or folds alone does not say so.

    Example:
        >>> group = PlannedModels("seeds", 0, (StudyModel(0, 0, 0), StudyModel(0, 1, 1)))
        >>> facts = {model.name: {"network": "Net", "train_images": 20} for model in group.members}
        >>> models_in_words(group, facts, several=False)
        '2 x Net, other seeds, same 20 images'
    """
    own = [facts[model.name] for model in group.members]
    sizes = sorted({each["train_images"] for each in own if "train_images" in each})
    images = f"{' to '.join(map(str, (sizes[0], sizes[-1])[: len(sizes)]))} images" if sizes else ""
    words = f"{len(own)} architectures" if group.plan == "models" else f"{len(own)} x {own[0]['network']}"
    if group.plan == "seeds":
        words += ", other seeds"
    if images and group.plan in ("seeds", "models"):
        words += f", same {images}"
    if images and group.plan == "disjoint" and several:
        words += f", disjoint parts of {images}"
    return words


def _check(plans: Sequence[str], num_architectures: int) -> None:
    """Refuse plans that do not fit one another."""
    if not plans:
        raise ValueError("Expected `plans` to name at least one plan, got none.")
    for plan in plans:
        if plan not in get_args(StudyPlan):
            advice = ": `all` is a plan of `data`, for given `checkpoints`" if plan == "all" else ""
            raise ValueError(f"Expected `plans` to be some of {', '.join(get_args(StudyPlan))}, got {plan!r}{advice}.")
    if len(set(plans)) < len(plans):
        raise ValueError(f"Expected each of `plans` once, got {', '.join(plans)}.")
    if "folds" in plans and len(plans) > 1:
        raise ValueError(
            "Expected the plan `folds` without others, got it with them: it explains images that models were trained "
            "on, and the other plans test images."
        )
    if ("models" in plans) != bool(num_architectures):
        raise ValueError(
            "Expected `architectures`, one or more beside `model`, for the plan `models`, got none."
            if "models" in plans
            else f"Expected the plan `models` for `architectures`, got {', '.join(plans)}."
        )


def _plan_of_data(plans: Sequence[StudyPlan]) -> Plan:
    """Return the plan by which the images of a repeat are dealt to its models."""
    if plans == ["folds"]:
        return "folds"
    return "disjoint" if "disjoint" in plans else "seeds"


def _further(repeat: int, num_first: int, num_seeds: int, num_architectures: int) -> tuple[StudyModel, ...]:
    """List the models of a repeat that train on the images of the first part as well."""
    each = num_seeds + num_architectures
    return tuple(
        StudyModel(
            repeat,
            0,
            num_first + repeat * each + number,
            replicate=number + 1,
            architecture=max(0, number + 1 - num_seeds),
        )
        for number in range(each)
    )


def _of_plan(plan: StudyPlan, further: Sequence[StudyModel]) -> list[StudyModel]:
    return [model for model in further if bool(model.architecture) == (plan == "models")]


def _by_repeat(models: Sequence[StudyModel], repeats: int) -> list[tuple[StudyModel, ...]]:
    return [tuple(model for model in models if model.repeat == repeat) for repeat in range(repeats)]
