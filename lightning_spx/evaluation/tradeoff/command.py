"""The study behind `spx tradeoff`: which super-pixels are worth it, between stability and fidelity."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch
from lightning import LightningModule

from lightning_spx.attribution import Attribution
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.data import ImageDataModule
from lightning_spx.evaluation.maps.attributions import predict
from lightning_spx.evaluation.maps.sampled_images import images_of
from lightning_spx.evaluation.statistics.results import summarise
from lightning_spx.evaluation.tradeoff.fidelity import FidelitySettings
from lightning_spx.evaluation.tradeoff.output import report_tradeoff
from lightning_spx.evaluation.tradeoff.quality import bsds500_folder, partition_quality
from lightning_spx.evaluation.tradeoff.recommendation import recommend, sentences
from lightning_spx.evaluation.tradeoff.sizes import at_chance, sized
from lightning_spx.evaluation.tradeoff.study import TradeoffStudy
from lightning_spx.evaluation.tradeoff.summary import fidelity_rows, front_table
from lightning_spx.evaluation.training.named_networks import (
    NamedNetwork,
    name_models,
    normalisation,
    output_of,
    weights_hash,
)
from lightning_spx.evaluation.training.study_models import TrainerFactory, members_of, obtain_checkpoint
from lightning_spx.metrics.road import FRACTIONS
from lightning_spx.models.checkpoint_file import ModelFactory, load_checkpoint
from lightning_spx.reporting.display_names import unique_names
from lightning_spx.runs.blocks import study_name
from lightning_spx.runs.folder import RunFolder, default_folder, open_run_folder
from lightning_spx.runs.processes import is_writer, start_processes
from lightning_spx.runs.record import RunRecord
from lightning_spx.runs.settings import important_settings, plain
from lightning_spx.superpixels import Segmenter

MEANINGLESS = "is not above chance: numbers of fidelity are meaningless there"


def tradeoff(
    data: ImageDataModule,
    model: ModelFactory,
    trainer: TrainerFactory,
    methods: list[Attribution],
    superpixels: list[Segmenter],
    magnitudes: list[Magnitude],
    sizes: list[int] | None = None,
    images: list[str] | None = None,
    image_size: int = 224,
    checkpoints: list[str] | None = None,
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
    out: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> Path:
    """Measure stability against fidelity over methods, segmenters, numbers of segments and orders, and recommend one.

    Gradients are computed once for each model and method, whatever the number of segmenters and sizes.

    Args:
        data: the images; its parts are what models are trained on if none are given.
        model: makes an untrained model that maps images in [0, 1] to logits.
        trainer: makes the Trainer of one model.
        methods: attribution methods.
        superpixels: segmenters.
        magnitudes: `after` pools signed values and then takes magnitudes, `before` takes magnitudes first.
        sizes: numbers of segments; each segmenter that has such a setting is taken once for every size.
        images: photos instead of `data`: files, folders and patterns such as 'birds/*.jpg'.
        image_size: photos are resized by the shorter side and cropped to the central square of this size.
        checkpoints: of this package; used instead of training.
        networks: networks with their weights, instead of `model` or with the `checkpoints` of finished runs.
        num_images: images that are explained.
        against: the fidelity on the front's other axis and of the recommendation.
        num_steps: removals of deletion and insertion.
        substrates: what takes the place of pixels in deletion and insertion; by default black and blur.
        fractions: of pixels that ROAD removes; by default 0.1, 0.2, 0.3, 0.4, 0.5, 0.7 and 0.9.
        target: explain the label or each model's prediction (photos have no labels).
        bsds500: folder of BSDS500, to measure the partitions against borders that people drew.
        num_quality_images: of BSDS500.
        num_resamples: of the bootstrap.
        batch_size: images at a time.
        seed: of initial weights, noise, drawn images, controls, ties and bootstrap.
        out: run folder; by default under `runs/`, named by data and settings, so that the same command goes on with it.
        config: complete settings to keep and compare when a run is taken up again; by default made from the others.

    Returns:
        The run folder, with `results.csv`, `front.csv`, `verdicts.json`, `per_image/`, `figures/` and `run.json`.

    Raises:
        ValueError: a setting is out of its range, or differs from the run that the folder holds.
        FileNotFoundError: a file is not there.
    """
    named_methods, segmenters = unique_names(methods), unique_names(sized(superpixels, sizes))
    if not named_methods or not segmenters or not magnitudes:
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
        # under folds an image counts for some pairs of models only, and removal for one model of each
        raise ValueError("Expected `data.plan` to be 'disjoint', or 'all' with given models, got 'folds'.")
    if against != "road" and "blur" not in (substrates or ["blur"]):
        raise ValueError(f"Expected `substrates` to have 'blur' for `against` {against}, got {substrates}.")
    if bsds500:
        bsds500_folder(Path(bsds500))
    if config is None:
        config = {name: plain(value) for name, value in locals().items() if name in tradeoff.__annotations__}
    known = images_of(data, images, image_size, num_images, seed)
    lead = trainer()  # trains nothing: it knows the device and the loggers
    start_processes(lead)
    run = open_run_folder(Path(out) if out else default_folder("tradeoff", known.name, config), config)
    device = lead.strategy.root_device
    models = _models(run, data, model, trainer, checkpoints, networks, named=bool(images or networks), seed=seed)
    if len(models) < 2:
        raise ValueError(f"Expected at least 2 models to compare, got {len(models)}.")
    for name, each in models.items():
        # before the study begins
        output_of(name, each, known.images[:1])
    models = {name: each.to(device) for name, each in models.items()}
    identity = {
        "command": "tradeoff",
        "seed": seed,
        "fingerprint": known.fingerprint,
        "weights": weights_hash(models),
    }
    record = RunRecord.open(run, identity)
    preds = torch.stack([predict(each, known.images, batch_size, device) for each in models.values()])
    notes = []
    for position, (name, each) in enumerate(models.items()):
        facts: dict[str, object] = {"network": type(getattr(each, "network", each)).__name__, **normalisation(each)}
        if known.label is not None:
            accuracy = float((preds[position] == known.label).float().mean())
            facts["test_accuracy"] = accuracy
            if at_chance(preds[position], known.label, known.num_classes):
                notes.append(f"The accuracy of {name}, {accuracy:.1%}, {MEANINGLESS}.")
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
        segmenters=segmenters,
        magnitudes=magnitudes,
        settings=FidelitySettings(num_steps, substrates or ["black", "blur"], removed, batch_size, seed),
        device=device,
        seed=seed,
    )
    study.measure()
    quality = partition_quality(segmenters, Path(bsds500), num_quality_images) if bsds500 else None
    if is_writer():
        stability, fidelity = study.stability_values(), study.fidelity_values()
        described = f"{len(models)} x {record.content['models'][next(iter(models))]['network']}"
        results = pd.concat(
            [
                summarise(stability, dataset=known.name, models=described, num_resamples=num_resamples, seed=seed),
                fidelity_rows(fidelity, dataset=known.name, models=described, num_resamples=num_resamples, seed=seed),
            ],
            ignore_index=True,
        )
        front = front_table(stability, fidelity, against, num_resamples, seed)
        said = [*notes, *sentences(recommend(stability, fidelity, against, num_resamples, seed), against)]
        if images:
            said.append(
                "Networks that were trained on the same photos, as pretrained ones are: their agreement is one between "
                "architectures, not between models trained on other data."
            )
        record.lap("summarise")
        report_tradeoff(run, results, front, said, quality, against, lead.loggers)
        record.note_results()
        record.lap("report")
    return run.path


def _models(
    run: RunFolder,
    data: ImageDataModule,
    model: ModelFactory,
    trainer: TrainerFactory,
    checkpoints: list[str] | None,
    networks: list[NamedNetwork] | None,
    *,
    named: bool,
    seed: int,
) -> dict[str, LightningModule]:
    """Load the models that are named, or train one for each part of the data."""
    if named:
        return name_models(checkpoints or [], None, networks or [])
    members = members_of(data, 1, checkpoints)
    return {
        member.name: load_checkpoint(obtain_checkpoint(member, run, data, model, trainer, seed), model)
        for member in members
    }
