"""The study behind `spx tradeoff`: how stable and how faithful is each pooling, and which one is best?"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch

from lightning_spx.attribution import Attribution
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.data import ImageDataModule
from lightning_spx.evaluation.maps.attributions import predict
from lightning_spx.evaluation.maps.colors import check_channels, chosen_colors
from lightning_spx.evaluation.maps.guides import check_poolings, try_poolings
from lightning_spx.evaluation.maps.sampled_images import sample_images
from lightning_spx.evaluation.maps.ways import all_poolings
from lightning_spx.evaluation.publish import show
from lightning_spx.evaluation.statistics.costs import with_passes
from lightning_spx.evaluation.statistics.halves import few_images
from lightning_spx.evaluation.statistics.left import left_sentence
from lightning_spx.evaluation.statistics.results import summarize
from lightning_spx.evaluation.tradeoff.front import front_table, matched_rows
from lightning_spx.evaluation.tradeoff.output import TITLE, report_tradeoff
from lightning_spx.evaluation.tradeoff.partitions import partition_table, with_partitions
from lightning_spx.evaluation.tradeoff.quality import bsds500_folder, partition_quality
from lightning_spx.evaluation.tradeoff.recommendation import recommend
from lightning_spx.evaluation.tradeoff.recommendation_words import sentences
from lightning_spx.evaluation.tradeoff.removals import FidelitySettings
from lightning_spx.evaluation.tradeoff.sizes import at_chance, sized
from lightning_spx.evaluation.tradeoff.study import TradeoffStudy
from lightning_spx.evaluation.tradeoff.summary import fidelity_rows
from lightning_spx.evaluation.training.model_reading import ModelReading, described_normalization
from lightning_spx.evaluation.training.named_networks import (
    SAME_PHOTOS,
    NamedNetwork,
    name_models,
    same_weights,
    weights_hash,
)
from lightning_spx.evaluation.training.study_models import TrainerFactory, TrainingRecipe, obtain_checkpoint
from lightning_spx.evaluation.training.study_plans import list_study_models
from lightning_spx.evaluation.training.training_images import with_training_images
from lightning_spx.evaluation.trials.channels import check_only_for_photos, default_channels
from lightning_spx.evaluation.trials.classifier_trial import try_classifier
from lightning_spx.metrics.road import FRACTIONS
from lightning_spx.models.checkpoint_file import ModelFactory
from lightning_spx.models.image_model import Head
from lightning_spx.models.network_name import network_name
from lightning_spx.models.preprocess import Preprocess
from lightning_spx.reporting.answer import Answer
from lightning_spx.reporting.display_names import unique_names
from lightning_spx.runs.blocks import study_name
from lightning_spx.runs.folder import default_folder, open_run_folder
from lightning_spx.runs.processes import is_writer, start_processes
from lightning_spx.runs.record import RunRecord
from lightning_spx.runs.settings import important_settings, plain
from lightning_spx.superpixels import ImagePooling, Segmenter

RGB = 3  # channels of BSDS500
MEANINGLESS = "is not above chance: numbers of fidelity are meaningless there"


def tradeoff(
    data: ImageDataModule,
    model: ModelFactory,
    trainer: TrainerFactory,
    methods: list[Attribution],
    superpixels: list[ImagePooling],
    magnitudes: list[Magnitude],
    sizes: list[int] | None = None,
    images: list[str] | None = None,
    image_size: int = 224,
    channels: int | None = None,
    to_rgb: list[int] | str | None = None,
    checkpoints: list[str] | None = None,
    mean: list[float] | None = None,
    std: list[float] | None = None,
    preprocess: Preprocess | None = None,
    output: int | str | None = None,
    input_name: str | None = None,
    head: Head | None = None,
    networks: list[NamedNetwork] | None = None,
    num_images: int = 200,
    against: Literal["road", "insertion", "deletion"] = "road",
    num_steps: int = 16,
    substrates: list[Literal["black", "blur"]] | None = None,
    fractions: list[float] | None = None,
    target: Literal["label", "prediction"] = "label",
    bsds500: str | None = None,
    num_quality_images: int = 200,
    num_resamples: int = 2000,
    batch_size: int = 64,
    seed: int = 0,
    tables: bool = False,
    out: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> Path:
    """Measure stability against fidelity over methods, segmenters, numbers of segments and orders, and recommend one.

    Gradients are computed once for each model and method, whatever the number of segmenters and sizes.

    Args:
        data: the images; models are trained on its parts unless models are given.
        model: makes an untrained model that maps images in [0, 1] to logits.
        trainer: makes the Trainer of one model.
        methods: attribution methods.
        superpixels: segmenters and filters.
        magnitudes: when magnitudes are taken: `after` pools the signed values first, `before` takes magnitudes first.
        sizes: numbers of segments; a segmenter that has such a setting is used once with each.
        images: photos instead of `data`: files, folders and patterns such as 'birds/*.jpg'.
        image_size: resize photos by their shorter side to this many pixels and crop the central square.
        channels: with `images`, their channels: 3 for color photos, 1 for gray ones, other numbers for .npy and TIFF
            files. By default as many as the first model's first convolution takes.
        to_rgb: for images of other than one or three channels, the numbers of three bands, counted from 0, that
            pictures show and segmenters of RGB get, or the import path of a function from images to colors.
        checkpoints: checkpoints of this package to use instead of training.
        mean: channel means of the images that the checkpoints' model was trained on, if it does not normalize them
            itself. By default what a network itself says, else ImageNet's; a LightningModule gets images in [0, 1].
        std: channel standard deviations of these images.
        preprocess: a differentiable callable in the place of `mean` and `std`, such as ZScore.
        output: what picks the logits out of the model's output: a name or a position. By default a tensor, the first
            entry of a tuple, or `logits`.
        input_name: the keyword of the model's `forward` that takes images; by default the usual ones.
        head: single_label, because fidelity is the softmax probability of a class; other heads are refused.
        networks: networks with their weights, used instead of `model` or beside the `checkpoints` of finished runs.
        num_images: number of images to explain.
        against: the fidelity metric for the front's other axis and for the recommendation.
        num_steps: number of removal steps in deletion and insertion.
        substrates: what replaces removed pixels in deletion and insertion; by default both black and blur.
        fractions: fractions of the pixels that ROAD removes; by default 0.1, 0.2, 0.3, 0.4, 0.5, 0.7 and 0.9.
        target: explain the label or each model's prediction (photos have no labels).
        bsds500: folder of the BSDS500 data set; if given, segments are also scored against borders that people drew.
        num_quality_images: number of BSDS500 images to score.
        num_resamples: number of bootstrap resamples.
        batch_size: number of images at a time.
        seed: seeds initial weights, noise, sampled images, controls, ties and bootstrap.
        tables: print all tables, not only the one that fits on a screen.
        out: run folder. By default a folder under `runs/` that is named after data and settings, so that the same
            command resumes it.
        config: complete settings, kept in the folder and compared when the run is resumed; by default they are made
            from the other arguments.

    Returns:
        The run folder, with `results.csv`, `front.csv`, `partition_quality.csv`, `verdicts.json`, `per_image/`,
        `figures/` and `run.json`.

    Raises:
        ValueError: a setting is out of its range, or differs from the run in the folder.
        FileNotFoundError: a file does not exist.
    """
    named_methods, poolings = unique_names(methods), unique_names(sized(superpixels, sizes))
    check_poolings(poolings)
    # only segments have borders
    segmenters = {name: each for name, each in poolings.items() if isinstance(each, Segmenter)}
    if not named_methods or not poolings or not magnitudes:
        raise ValueError("Expected `methods`, `superpixels` and `magnitudes` to name at least one each, got none.")
    at_least = {"num_images": (num_images, 2), "batch_size": (batch_size, 1), "num_steps": (num_steps, 1)}
    for name, (value, least) in at_least.items():
        if value < least:
            raise ValueError(f"Expected `{name}` to be at least {least}, got {value}.")
    removed = fractions or FRACTIONS
    for fraction in removed:
        if not 0 < fraction < 1:
            raise ValueError(f"Expected `fractions` to be between 0 and 1, got {fraction}.")
    if images and not networks and not checkpoints:
        raise ValueError("Expected `networks` or `checkpoints` for `images`, on which nothing is trained, got none.")
    if data.plan == "folds" and not images:
        # under folds an image counts only for some pairs of models, and its fidelity only for one model of each pair
        raise ValueError("Expected `data.plan` to be 'disjoint' or 'seeds', or 'all' with given models, got 'folds'.")
    if against != "road" and "blur" not in (substrates or ["blur"]):
        raise ValueError(f"Expected `substrates` to have 'blur' for `against` {against}, got {substrates}.")
    check_only_for_photos(channels, images)
    colors = chosen_colors(to_rgb)
    if sizes and not segmenters:
        warnings.warn(
            f"`sizes` {sizes} change nothing: filters ({', '.join(poolings)}) have no segments.", stacklevel=2
        )
    if bsds500:
        if not segmenters:
            raise ValueError(f"Expected `superpixels` to have segments for `bsds500`, got only {', '.join(poolings)}.")
        bsds500_folder(Path(bsds500))
        check_channels(segmenters, RGB)
    if config is None:
        config = {name: plain(value) for name, value in locals().items() if name in tradeoff.__annotations__}
    reading = ModelReading(mean, std, preprocess, output, input_name, head)
    recipe = TrainingRecipe(data, model, trainer, seed, reading)
    named_methods = with_training_images(named_methods, None if images else data)
    # photos and networks do not need the model of a study, which is there by default
    members = [] if images or networks else list_study_models(data, 1, checkpoints)
    if members:
        models = {each.name: recipe.load(each.checkpoint) for each in members if each.checkpoint is not None}
    else:
        factory = model if checkpoints and reading.is_given else None
        models = name_models(checkpoints or [], factory, reading, networks or [])
        if len(models) < 2:
            raise ValueError(f"Expected at least 2 models to compare, got {len(models)}.")
    # refuse what cannot serve before the study begins
    tried = list(models.values()) or [reading.of(recipe.untrained())]
    known = sample_images(data, images, image_size, num_images, seed, channels=channels or default_channels(tried))
    try_poolings(all_poolings(poolings, methods), known.read([0])[0], colors)
    for each in tried:
        try_classifier(each, known, "fidelity")
    lead = trainer()  # trains nothing: it knows the device and the loggers
    start_processes(lead)
    run = open_run_folder(Path(out) if out else default_folder("tradeoff", known.name, config), config)
    device = lead.strategy.root_device
    models = models or {each.name: recipe.load(obtain_checkpoint(each, run, recipe)) for each in members}
    models = {name: each.to(device) for name, each in models.items()}
    identity = {
        "command": "tradeoff",
        "seed": seed,
        "fingerprint": known.fingerprint,
        "weights": weights_hash(models),
    }
    record = RunRecord.open(run, identity)
    preds = torch.stack([predict(each, known.images, batch_size, device) for each in models.values()])
    warned = []
    for position, (name, each) in enumerate(models.items()):
        facts: dict[str, object] = {"network": network_name(each), **described_normalization(each)}
        if known.label is not None:
            accuracy = float((preds[position] == known.label).float().mean())
            facts["test_accuracy"] = accuracy
            if at_chance(preds[position], known.label, known.num_classes):
                warned.append(f"The accuracy of {name}, {accuracy:.1%}, {MEANINGLESS}.")
        record.content["models"][name] = facts
    record.lap("models and predictions")

    study = TradeoffStudy(
        run=run,
        record=record,
        name=study_name(important_settings(config), identity),
        known=known,
        models=models,
        preds=preds,
        explained=preds if known.label is None or target == "prediction" else known.label.expand_as(preds),
        methods=named_methods,
        superpixels=poolings,
        magnitudes=magnitudes,
        settings=FidelitySettings(num_steps, substrates or ["black", "blur"], removed, batch_size, seed),
        device=device,
        seed=seed,
        to_rgb=colors,
    )
    study.measure()
    quality = partition_quality(segmenters, Path(bsds500), num_quality_images) if bsds500 else None
    if is_writer():
        stability, fidelity = study.stability_values(), study.fidelity_values()
        network = record.content["models"][next(iter(models))]["network"]
        described: dict[str, Any] = {"dataset": known.name, "models": f"{len(models)} x {network}"}
        described |= {"num_resamples": num_resamples, "seed": seed}
        front = front_table(stability, fidelity, against, num_resamples, seed)
        # fidelity is of these models, and one table has one kind of interval
        ours = summarize(stability, **described, over_trainings=False)
        gains = matched_rows(front, against, ours["dataset"].iloc[0], ours["models"].iloc[0])
        rows = pd.concat(
            [ours, fidelity_rows(fidelity, **described), *([gains] if len(gains) else [])], ignore_index=True
        )
        partitions = study.partition_values()
        results = with_partitions(with_passes(rows, stability), partitions)
        recommended = recommend(stability, fidelity, against, num_resamples, seed)
        half = recommended[0].num_images if recommended else 0
        first = results.iloc[0]
        answer = Answer(
            title=f"{TITLE}: {first['models']} on {first['dataset']}",
            sentences=[
                *sentences(recommended, against),
                *(text for each in recommended for text in left_sentence(results, each.method, *each.row)),
            ],
            models=[
                f"{name}: accuracy {facts['test_accuracy']:.1%} on the explained images".replace("%", " %")
                for name, facts in record.content["models"].items()
                if "test_accuracy" in facts
            ],
            warnings=[*warned, *same_weights(list(weights_hash(models).values())), *few_images(half)],
            notes=[SAME_PHOTOS] if images else [],
        )
        record.lap("summarise")
        known_partitions = None if partitions.empty else partition_table(partitions, num_resamples, seed)
        findings = report_tradeoff(run, results, front, answer, known_partitions, quality, against, lead.loggers)
        record.note_results()
        record.lap("report")
        show(run, findings, tables)
    return run.path
