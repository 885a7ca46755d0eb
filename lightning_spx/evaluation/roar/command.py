"""The study behind `spx roar`: remove the salient pixels of all images, retrain, and see what accuracy is left."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.progress import track

from lightning_spx.attribution import Attribution
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.data import ImageDataModule
from lightning_spx.evaluation.maps.colors import chosen_colors
from lightning_spx.evaluation.maps.guides import check_poolings, try_poolings
from lightning_spx.evaluation.maps.sampled_images import draw_images
from lightning_spx.evaluation.maps.ways import refuse_own_segments
from lightning_spx.evaluation.publish import show
from lightning_spx.evaluation.roar.orders import ModifiedImages, RankingSettings, list_orders, mean_color, rank_images
from lightning_spx.evaluation.roar.output import report_roar
from lightning_spx.evaluation.roar.retraining import Removal, list_retrainings, retrain
from lightning_spx.evaluation.roar.summary import roar_results
from lightning_spx.evaluation.training.model_reading import ModelReading
from lightning_spx.evaluation.training.study_models import (
    StudyModel,
    TrainerFactory,
    TrainingRecipe,
    checkpoint_file,
    checkpoint_hashes,
    classifier_facts,
    obtain_checkpoint,
)
from lightning_spx.evaluation.training.training_images import with_training_images
from lightning_spx.evaluation.trials.classifier_trial import try_classifier
from lightning_spx.models.checkpoint_file import ModelFactory
from lightning_spx.models.image_model import Head
from lightning_spx.models.preprocess import Preprocess
from lightning_spx.reporting.display_names import unique_names
from lightning_spx.runs.folder import default_folder, open_run_folder
from lightning_spx.runs.launch import share_of
from lightning_spx.runs.processes import is_writer, start_processes, wait_for_all
from lightning_spx.runs.record import RunRecord
from lightning_spx.runs.settings import plain
from lightning_spx.superpixels import ImagePooling

COLLECT = "collect"
NAMED = 5


def roar(
    data: ImageDataModule,
    model: ModelFactory,
    trainer: TrainerFactory,
    methods: list[Attribution],
    superpixels: list[ImagePooling],
    magnitude: Magnitude = "after",
    percentages: list[float] | None = None,
    removal: Literal["roar", "kar"] = "roar",
    num_seeds: int = 3,
    checkpoint: str | None = None,
    mean: list[float] | None = None,
    std: list[float] | None = None,
    preprocess: Preprocess | None = None,
    output: int | str | None = None,
    input_name: str | None = None,
    head: Head | None = None,
    to_rgb: list[int] | str | None = None,
    unit: str | None = None,
    batch_size: int = 64,
    seed: int = 0,
    tables: bool = False,
    out: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> Path:
    """Remove and retrain (ROAR): the accuracy of networks that never saw the pixels a method calls important.

    One network is trained (or given) and explained on training and test images. For every order of pixels, percentage
    and seed, a new network is then trained and tested on images in which those pixels have the mean color of the
    training images. The lower its accuracy, the better the order. The baselines are a random order and Sobel edges.
    Every S- map has its four controls, because this test favors smooth maps whatever they know (Hooker et al.,
    NeurIPS 2019; arXiv 2304.13836).

    Args:
        data: the images.
        model: makes an untrained model that maps images in [0, 1] to logits.
        trainer: makes the Trainer of one training run.
        methods: attribution methods.
        superpixels: segmenters and filters; each gives a pooled (S-) map with its controls.
        magnitude: when magnitudes are taken: `after` pools the signed values first, `before` takes magnitudes first.
        percentages: percentages of the pixels to remove; by default 10, 30, 50, 70 and 90.
        removal: `roar` removes the most salient pixels; `kar` keeps them and removes as many of the least salient.
        num_seeds: number of networks trained for each order and percentage.
        checkpoint: checkpoint of the network to explain; None trains one.
        mean: channel means of the images that the checkpoint's model was trained on, if it does not normalize them
            itself. By default what a network itself says, else ImageNet's; a LightningModule gets images in [0, 1].
            The networks that are retrained see images in [0, 1].
        std: channel standard deviations of these images.
        preprocess: a differentiable callable in the place of `mean` and `std`, such as ZScore.
        output: what picks the logits out of the model's output: a name or a position. By default a tensor, the first
            entry of a tuple, or `logits`.
        input_name: the keyword of the model's `forward` that takes images; by default the usual ones.
        head: single_label, because accuracy is of one class for each image; other heads are refused.
        to_rgb: for images of other than one or three channels, the numbers of three bands, counted from 0, that
            segmenters of RGB get, or the import path of a function from images to colors.
        unit: run share i of n of the trainings, written as 2/16, and do not collect; `collect` only collects. None
            does both.
        batch_size: number of images explained at a time.
        seed: seeds initial weights, order of images, ties, the random order of pixels and the controls.
        tables: print all tables, not only the one that fits on a screen.
        out: run folder. By default a folder under `runs/` that is named after data and settings, so that the same
            command resumes it.
        config: complete settings, kept in the folder and compared when the run is resumed; by default they are made
            from the other arguments.

    Returns:
        The run folder, with `units/` and, once collected, `results.csv`, `verdicts.json` and `figures/`.

    Raises:
        ValueError: a setting is out of its range, differs from the run in the folder, or units are missing.
        FileNotFoundError: the checkpoint does not exist.
    """
    named_methods, poolings = unique_names(methods), unique_names(superpixels)
    refuse_own_segments(methods, "`spx roar`")
    check_poolings(poolings)
    shares = percentages or [10, 30, 50, 70, 90]
    for percentage in shares:
        if not 0 < percentage < 100:
            raise ValueError(f"Expected `percentages` to be between 0 and 100, got {percentage}.")
    if len(set(shares)) != len(shares):
        raise ValueError(f"Expected `percentages` to be different, got {shares}.")
    for name, value in (("num_seeds", num_seeds), ("batch_size", batch_size)):
        if value < 1:
            raise ValueError(f"Expected `{name}` to be at least 1, got {value}.")
    orders = list_orders(named_methods, poolings, magnitude)
    retrainings = list_retrainings(orders, shares, num_seeds)
    chosen = retrainings if unit is None else [] if unit == COLLECT else share_of(retrainings, unit, COLLECT)
    if config is None:
        config = {name: plain(value) for name, value in locals().items() if name in roar.__annotations__}
    # which share this process runs is not a setting of the study
    config = {name: value for name, value in config.items() if name != "unit"}

    # refuse what cannot serve before anything is trained
    colors = chosen_colors(to_rgb)
    sampled = draw_images(data, 1, seed)
    try_poolings(poolings, sampled.images, colors)
    reading = ModelReading(mean, std, preprocess, output, input_name, head)
    of_retrained = replace(reading, mean=None, std=None, preprocess=None)  # they see images in [0, 1]
    recipe = TrainingRecipe(data, model, trainer, seed, reading)
    retrained = recipe if checkpoint is None else replace(recipe, reading=of_retrained)
    given = [] if checkpoint is None else [recipe.load(Path(checkpoint))]
    for tried in [*given, retrained.reading.of(retrained.untrained())]:
        try_classifier(tried, sampled, "accuracy after retraining")

    shared = unit is not None and unit != COLLECT  # other starts do the rest
    base = StudyModel(0, data.part, 0, None if checkpoint is None else Path(checkpoint))
    pool = np.union1d(data.train_indices(), data.validation_indices())
    images = ModifiedImages(pool, len(data.test()))
    lead = trainer()  # trains nothing: it knows device and loggers, and making it sets what the record says
    start_processes(lead)
    run = open_run_folder(Path(out) if out else default_folder("roar", data.name, config), config, shared=shared)
    identity = {
        "command": "roar",
        "seed": seed,
        "fingerprint": sampled.fingerprint,
        "splits": [data.split().sha256],
        "checkpoints": checkpoint_hashes([base]),
    }
    record = RunRecord.open(run, identity, shared=shared)
    if any(not each.path(run).is_file() for each in chosen):
        # other starts need the checkpoint and the ranks too, and wait for the start that makes them
        with run.claim(base.name, wait=True):
            file = obtain_checkpoint(base, run, recipe)
        device = lead.strategy.root_device
        record.lap("train")
        network = recipe.load(file).to(device)
        referenced = with_training_images(named_methods, data)
        settings = RankingSettings(referenced, poolings, batch_size, seed, colors)
        with run.claim("ranks", wait=True):
            rank_images(run, data, images, network, orders, settings)
            color = mean_color(run, data, pool)
        record.lap("rank pixels")
        wait_for_all()  # wait until the writing process is done
        for each in track(chosen, "remove and retrain", disable=not is_writer()):
            with run.claim(each.name):
                if not each.path(run).is_file():
                    retrain(each, run, retrained, Removal(images, color, keep=removal == "kar"))
                    record.lap("retrain")
    wait_for_all()
    if shared:
        return run.path
    missing = [each.name for each in retrainings if not each.path(run).is_file()]
    if missing:
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        raise ValueError(
            f"Expected all {len(retrainings)} units in {run.path / 'units'}, missing {missing[:NAMED]}{more}."
        )
    if checkpoint_file(base, run).is_file() and base.name not in record.content["models"]:
        record.content["models"][base.name] = classifier_facts(base, run, recipe, lead.strategy.root_device)
    if is_writer():
        first = next(iter(record.content["models"].values()), {"network": type(model()).__name__})
        results = roar_results(run, retrainings, data.name, str(first["network"]), images.num_test, removal)
        findings = report_roar(run, results, data.num_classes, record.content["models"], lead.loggers)
        record.note_results()
        record.lap("report")
        show(run, findings, tables)
    return run.path
