"""Measures agreement between models, trained here or loaded, of other seeds, other images or other architectures."""

from collections.abc import Sequence
from pathlib import Path

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import nn

from lightning_spx.data import BirdsDataModule
from lightning_spx.evaluation.maps.findings import check_items
from lightning_spx.evaluation.maps.guides import try_poolings
from lightning_spx.evaluation.maps.sampled_images import SampledImages, draw_images, keep_splits
from lightning_spx.evaluation.maps.ways import all_poolings
from lightning_spx.evaluation.stability.discriminators import REAL_ABOVE, discriminator_facts, draw_real
from lightning_spx.evaluation.stability.rounds import Round
from lightning_spx.evaluation.stability.settings import StudySettings
from lightning_spx.evaluation.stability.start import StudyStart
from lightning_spx.evaluation.stability.study import Study
from lightning_spx.evaluation.stability.summary import conclude
from lightning_spx.evaluation.statistics.image_facts import check_pairs
from lightning_spx.evaluation.training.named_networks import same_weights
from lightning_spx.evaluation.training.study_models import (
    StudyModel,
    TrainingRecipe,
    accuracies_in_words,
    checkpoint_file,
    checkpoint_hashes,
    classifier_facts,
    obtain_checkpoint,
    own_hash,
    training_environment,
)
from lightning_spx.evaluation.training.study_plans import PlannedModels, all_models, models_in_words
from lightning_spx.evaluation.trials.model_trial import try_model
from lightning_spx.models import Part, PatchScore, Region
from lightning_spx.models.judge import load_judge
from lightning_spx.runs.folder import RunFolder
from lightning_spx.runs.launch import Launch
from lightning_spx.runs.processes import agreed, collect, num_processes, process_number, say, wait_for_all


def trained(
    start: StudyStart,
    recipe: TrainingRecipe,
    groups: Sequence[PlannedModels],
    part: Part | None,
    region: Region | None,
) -> Path:
    """Train the models that are missing, explain the same images with each, and tabulate how far they agree.

    Args:
        start: this start of the study.
        recipe: how the models are trained.
        groups: the models of each plan and repeat, plan after plan.
        part: the discriminator to explain if the models are CycleGANs, else None.
        region: region of its patches to explain; None for all.

    Returns:
        The run folder.

    Raises:
        ValueError: the data are of a wrong kind or too few, or an earlier start recorded others.
        FileNotFoundError: a checkpoint does not exist.
    """
    data, settings = recipe.data, start.settings
    models = all_models(groups)
    repeats = 1 + max(model.repeat for model in models)
    # split the data first, so that they refuse what they must before there is a folder
    splits = [data.use_part(0, data.seed + repeat).split() for repeat in range(repeats)]
    for repeat in range(repeats):
        data.use_part(0, data.seed + repeat).check_duplicates()
    num_images, seed = start.num_images, settings.seed
    sampled = draw_real(data, part, num_images, seed) if part else draw_images(data, num_images, seed)
    held_out = [sampled.held_out(splits[group.repeat], len(group.members)) for group in groups]
    for flags in held_out:
        check_pairs(flags)
    if sampled.findings:
        check_items(sampled.labels(torch.arange(len(sampled))), start.shards, sampled.findings, start.targets)
    binary = part is None and _try_models(recipe, models, sampled, settings)

    run = start.open_run(data.name)
    hashes = {"splits": [split.sha256 for split in splits], "checkpoints": checkpoint_hashes(models)}
    identity = start.identity(sampled.fingerprint, hashes)
    record = start.open_record(run, identity)
    keep_splits(run.path / "splits.json", splits, data)
    untrained = _train(start.launch, recipe, models, run)
    record.lap("train")
    if untrained:
        unit = start.launch.unit
        say(f"Unit {unit} has trained its models; start it again once {', '.join(untrained)} are trained as well.")
        return run.path
    weights = {model: own_hash(model, run) for model in models}
    hashes_of = [[weights[model] for model in group.members] for group in groups]
    same = list(dict.fromkeys(text for own in hashes_of for text in same_weights(own)))
    for text in same:
        rank_zero_warn(text)
    for model in models:
        record.add_environment(training_environment(model, run))

    def facts(model: StudyModel) -> dict[str, object]:
        trained_on = {} if model.checkpoint else {"train_images": int(recipe.images_of(model).train_indices().size)}
        if part is None:
            return classifier_facts(model, run, recipe, settings.device) | trained_on
        return discriminator_facts(model, run, recipe, part, settings.batch_size, settings.device) | trained_on

    def load(model: StudyModel) -> nn.Module:
        file = checkpoint_file(model, run)
        if part is None:
            return recipe.of(model).load(file)
        return PatchScore(load_judge(file, part, recipe.model).discriminator, region).eval()

    if start.launch.collects:
        own_models = models[process_number() :: num_processes()]
        known = record.content["models"]
        for found in collect({model.name: facts(model) for model in own_models if model.name not in known}):
            known |= found
        record.lap("test accuracy")
    study = Study(
        run=run,
        record=record,
        drawn=sampled,
        shards=start.shards,
        rounds=[
            Round(group.members, load, flags, start.round_name(identity, own), group.plan)
            for group, flags, own in zip(groups, held_out, hashes_of, strict=True)
        ],
        settings=settings,
        target="output" if part or binary else start.target,
        targets=start.targets,
        threshold=REAL_ABOVE,
        localization_setting=f"background={data.background}" if isinstance(data, BirdsDataModule) else "",
    )
    if start.explain(study):
        known = record.content["models"]
        lines, warned = accuracies_in_words(known)
        conclude(
            study,
            data.name,
            {group.plan: models_in_words(group, known, several=len(groups) > repeats) for group in groups},
            [f"model {number}" for number in range(len(groups[0].members))],
            start.loggers,
            facts=lines,
            warnings=[*warned, *same],
            all_tables=start.tables,
        )
    return run.path


def _try_models(
    recipe: TrainingRecipe, models: Sequence[StudyModel], sampled: SampledImages, settings: StudySettings
) -> bool:
    """Refuse models that cannot serve before any of them is trained; return whether they have one output each."""
    poolings = all_poolings(settings.superpixels, settings.methods.values())
    try_poolings(poolings, sampled.read([0])[0], settings.to_rgb)
    given = [model.checkpoint for model in models if model.checkpoint is not None]
    makers = {model.architecture: recipe.of(model) for model in models}.values()
    tried = [recipe.load(file) for file in given] or [each.reading.of(each.untrained()) for each in makers]
    one_output = [try_model(each, sampled) for each in tried]
    if len(set(one_output)) > 1:
        raise ValueError("Expected `architectures` with as many outputs as `model`, got one output beside several.")
    return all(one_output)


def _train(launch: Launch, recipe: TrainingRecipe, models: Sequence[StudyModel], run: RunFolder) -> list[str]:
    """Train this start's models, or hand them out, and return the names of those that are untrained afterwards."""

    def is_untrained(model: StudyModel) -> bool:
        return not checkpoint_file(model, run).is_file()

    wait_for_all()  # if the process that has the lock refuses, all refuse
    launch.hand_out(models, is_untrained)
    for model in launch.own(models):
        with run.claim(model.name):
            wait_for_all()
            obtain_checkpoint(model, run, recipe)
    wait_for_all()
    return agreed([model.name for model in models if is_untrained(model)])
