"""Measures agreement between architectures: the networks that a user names explain the same photos on one grid."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from lightning_spx.data import ImageDataModule
from lightning_spx.evaluation.maps.guides import try_poolings
from lightning_spx.evaluation.maps.readings import check_logits
from lightning_spx.evaluation.maps.sampled_images import sample_images
from lightning_spx.evaluation.maps.ways import all_poolings
from lightning_spx.evaluation.stability.rounds import Round
from lightning_spx.evaluation.stability.settings import StudySettings
from lightning_spx.evaluation.stability.start import StudyStart
from lightning_spx.evaluation.stability.study import Study
from lightning_spx.evaluation.stability.summary import conclude
from lightning_spx.evaluation.training.model_reading import ModelReading, described_normalization
from lightning_spx.evaluation.training.named_networks import (
    SAME_PHOTOS,
    NamedNetwork,
    name_models,
    output_of,
    same_weights,
    weights_hash,
)
from lightning_spx.evaluation.training.study_models import StudyModel, accuracies_in_words, accuracy_facts
from lightning_spx.evaluation.trials.channels import check_channels_fit, default_channels
from lightning_spx.models.image_model import Head, ImageModel
from lightning_spx.models.preprocess import check_gradient
from lightning_spx.runs.processes import collect, num_processes, process_number

DEFAULT_SIZE = 224

# words that say what the networks explain
PREDICTION = "each network explains its own prediction"
FINDINGS = "all explain findings"
LABEL = "all explain the label"
LIKELIEST = "all explain the class of the highest mean probability"


def architectures(
    start: StudyStart,
    data: ImageDataModule,
    networks: Sequence[NamedNetwork],
    photos: Sequence[str] | None,
    image_size: int | None,
    channels: int | None = None,
) -> Path:
    """Explain the same images with every network and tabulate how far each pair of them agrees.

    All maps are gradients with respect to the pixels of one grid: a network of another size resizes the image in its
    first layer, and the chain rule brings its map to the grid.

    Args:
        start: this start of the study.
        data: the images, unless there are photos.
        networks: two or more networks.
        photos: files, folders and patterns; None takes images from `data`.
        image_size: side of the grid in pixels; None takes the networks' largest `image_size`, or 224 if none has one.
        channels: number of channels of the photos; None takes that of the first network's first convolution.

    Returns:
        The run folder.

    Raises:
        ValueError: there are fewer than two networks, one does not take images of its size, their classes
            differ, or a segmenter takes other channels.
        FileNotFoundError: a file does not exist.
    """
    if len(networks) < 2:
        raise ValueError(f"Expected at least 2 `models` to compare, got {len(networks)}.")
    settings = start.settings
    sizes = [each.image_size for each in networks if each.image_size is not None]
    grid = image_size or max(sizes, default=DEFAULT_SIZE)
    models = name_models([], None, ModelReading(), networks)
    # shards are made for all photos: one that is skipped would be missing in the last shard
    of_photos = channels or default_channels(models.values())
    sampled = sample_images(data, photos, grid, start.num_images, settings.seed, strict=True, channels=of_photos)
    first = sampled.read([0])[0]
    try_poolings(all_poolings(settings.superpixels, settings.methods.values()), first, settings.to_rgb)
    for network in models.values():
        check_channels_fit(network, first)
        check_gradient(network.normalize, first)
    head: Head = "multi_label" if sampled.findings else "single_label"
    check_heads(models, head)
    check_outputs(models, first, sampled.num_classes, head)

    run = start.open_run(sampled.name)
    identity = start.identity(sampled.fingerprint, {"weights": weights_hash(models)})
    record = start.open_record(run, identity)
    explained = LABEL if sampled.label is not None else LIKELIEST
    if sampled.findings or start.target == "prediction":
        explained = FINDINGS if sampled.findings else PREDICTION
    if sampled.label is None:
        on_device = (each.to(settings.device) for each in models.values())
        sampled = replace(sampled, label=_mean_probability(on_device, sampled.images, settings).argmax(1))
    study_models = [StudyModel(0, number, number, None, name) for number, name in enumerate(models)]
    study = Study(
        run=run,
        record=record,
        drawn=sampled,
        shards=start.shards,
        rounds=[Round(study_models, lambda each: models[each.title], None, start.round_name(identity), "models")],
        settings=settings,
        target=start.target,
        targets=start.targets,
    )
    side = first.shape[-1]
    for (title, model), each in zip(models.items(), networks, strict=True):
        facts = {"network": type(each.network).__name__, "image_size": each.image_size or side}
        record.content["models"][title] = {**facts, **described_normalization(model)}
    record.content["names"] = list(models)
    if not photos and start.launch.collects:
        own = list(models.items())[process_number() :: num_processes()]
        for found in collect({name: accuracy_facts(name, each, data, settings.device) for name, each in own}):
            for name, facts in found.items():
                record.content["models"][name] |= facts
    record.lap("models and predictions")
    if start.explain(study):
        said = [
            SAME_PHOTOS,
            f"Maps are gradients with respect to one grid of {side} x {side} pixels, which each network resizes to its "
            f"own size (bilinear, antialiased); {explained}.",
        ]
        lines, warned = accuracies_in_words(record.content["models"])
        conclude(
            study,
            sampled.name,
            {"models": f"{len(models)} architectures"},
            list(models),
            start.loggers,
            facts=lines,
            warnings=[*warned, *same_weights(list(weights_hash(models).values()))],
            notes=said,
            all_tables=start.tables,
        )
    return run.path


def check_heads(models: Mapping[str, ImageModel], wanted: Head) -> None:
    """Refuse networks whose heads do not fit the labels of the images, before a study begins.

    Raises:
        ValueError: a network gives other than logits of classes, or of findings where the labels are findings.
    """
    kind = "findings" if wanted == "multi_label" else "classes"
    for name, model in models.items():
        if model.head != wanted:
            raise ValueError(f"Expected `head` {wanted} of {name} for images with {kind}, got {model.head}.")


def check_outputs(
    models: Mapping[str, nn.Module], image: Tensor, num_classes: int, head: Head = "single_label"
) -> None:
    """Try an image on every network before a study begins.

    Args:
        models: the networks by name.
        image: (1, C, H, W).
        num_classes: number of classes or findings of the data; 0 if it is unknown.
        head: what the outputs mean.

    Raises:
        TypeError: a network returns no floating point tensor.
        ValueError: a network does not take the image or returns no logits, or the numbers of classes differ.
    """
    counts = {}
    for name, model in models.items():
        output = output_of(name, model, image)
        # refuse a single output: the class with the highest mean probability must be one of several
        if isinstance(output, Tensor) and output.ndim != 2:
            raise ValueError(f"Expected {name} to return logits of shape (N, K), got shape {tuple(output.shape)}.")
        counts[name] = check_logits(output, name, len(image), head).shape[1]
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{count} of {name}" for name, count in counts.items())
        raise ValueError(f"Expected `models` to tell the same classes apart, got {told}.")
    if num_classes and set(counts.values()) != {num_classes}:
        kind = "findings" if head == "multi_label" else "classes"
        raise ValueError(f"Expected `models` with the {num_classes} {kind} of the data, got {counts}.")


def _mean_probability(models: Iterable[nn.Module], images: Tensor, settings: StudySettings) -> Tensor:
    total = torch.zeros(())
    for model in models:
        parts = []
        for start in range(0, len(images), settings.batch_size):
            with torch.no_grad():
                # pass a copy, because a network may write to its input, and the others need the same images
                logits = model(images[start : start + settings.batch_size].to(settings.device, copy=True))
            parts.append(logits.softmax(1).cpu())
        total = total + torch.cat(parts)
    return total
