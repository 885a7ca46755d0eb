"""Agreement between architectures: networks that a user names explain the same photos on one common grid."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch.loggers import Logger
from torch import Tensor, nn

from lightning_spx.data import ImageDataModule
from lightning_spx.evaluation.maps.sampled_images import SampledImages, draw_images, images_of
from lightning_spx.evaluation.maps.shards import Shard
from lightning_spx.evaluation.stability.study import Round, Study, StudySettings
from lightning_spx.evaluation.stability.summary import conclude, explain_share
from lightning_spx.evaluation.training.named_networks import (
    NamedNetwork,
    name_models,
    normalisation,
    output_of,
    weights_hash,
)
from lightning_spx.evaluation.training.study_models import StudyModel
from lightning_spx.runs.blocks import study_name
from lightning_spx.runs.folder import default_folder, open_run_folder
from lightning_spx.runs.launch import Launch
from lightning_spx.runs.record import RunRecord
from lightning_spx.runs.settings import important_settings

DEFAULT_SIZE = 224
SAME_PHOTOS = (
    "Networks that were trained on the same photos, as pretrained ones are: their agreement is one between "
    "architectures, not between models trained on other data."
)


def architectures(
    settings: StudySettings,
    data: ImageDataModule,
    networks: Sequence[NamedNetwork],
    images: Sequence[str] | None,
    image_size: int | None,
    shards: Sequence[Shard],
    target: Literal["label", "prediction"],
    start: Launch,
    loggers: Sequence[Logger],
    out: str | None,
    config: Mapping[str, Any],
) -> Path:
    """Explain the same images with every network and tabulate how far each pair of them agrees.

    All maps are gradients with respect to the pixels of one grid: a network of another size resizes the image as its
    first layer, and the chain rule brings its map to the grid.

    Args:
        settings: of the study.
        data: the images, unless there are photos.
        networks: two or more.
        images: photos: files, folders and patterns; None for `data`.
        image_size: side of the grid; None: the largest that a network takes.
        shards: of the images that are explained.
        target: explain the label or each network's prediction.
        start: what of the work is done here.
        loggers: of the Trainer.
        out: run folder, or None for the default one.
        config: complete settings.

    Returns:
        The run folder.

    Raises:
        ValueError: fewer than two networks, one takes no images of its size, or they tell other classes apart.
        FileNotFoundError: a file is not there.
    """
    if len(networks) < 2:
        raise ValueError(f"Expected at least 2 `models` to compare, got {len(networks)}.")
    sizes = [each.image_size for each in networks if each.image_size is not None]
    grid = image_size or max(sizes, default=DEFAULT_SIZE)
    models: dict[str, nn.Module] = dict(name_models([], None, networks))
    drawn, name, fingerprint, labelled = _images(
        data, images, grid, sum(len(each.positions) for each in shards), settings.seed
    )
    check_outputs(models, drawn.read([0])[0], data.num_classes if labelled else 0)

    run = open_run_folder(Path(out) if out else default_folder("stability", name, config), config, shared=start.shares)
    identity = {
        "command": "stability",
        "seed": settings.seed,
        "fingerprint": fingerprint,
        "weights": weights_hash(models),
    }
    record = RunRecord.open(run, identity, shared=not start.collects)
    if not labelled:
        on_device = (each.to(settings.device) for each in models.values())
        drawn = replace(drawn, label=_mean_probability(on_device, drawn.read(range(len(drawn)))[0], settings).argmax(1))
    members = [StudyModel(0, number, number, None, name) for number, name in enumerate(models)]
    settings_kept = important_settings(config)
    study = Study(
        run=run,
        record=record,
        drawn=drawn,
        shards=shards,
        rounds=[Round(members, lambda member: models[member.title], None, study_name(settings_kept, identity))],
        settings=settings,
        target=target,
    )
    side = drawn.read([0])[0].shape[-1]
    for (title, model), each in zip(models.items(), networks, strict=True):
        facts = {"network": type(each.network).__name__, "image_size": each.image_size or side}
        record.content["models"][title] = {**facts, **normalisation(model)}
    record.content["names"] = list(models)
    record.lap("models and predictions")
    if not explain_share(study, start):
        return run.path
    explained = {
        "prediction": "each network explains its own prediction",
        "label": "all explain the label" if labelled else "all explain the class of the highest mean probability",
    }[target]
    said = [
        SAME_PHOTOS,
        f"Maps are gradients with respect to one grid of {side} x {side} pixels, which each network resizes to its own "
        f"size (bilinear, antialiased); {explained}.",
    ]
    conclude(study, name, f"{len(models)} architectures", list(models), loggers, said)
    return run.path


def _images(
    data: ImageDataModule, photos: Sequence[str] | None, grid: int, num_images: int, seed: int
) -> tuple[SampledImages, str, str, bool]:
    """Return photos, which have no labels yet, or images of the data; name, fingerprint, and whether labelled."""
    if not photos:
        return draw_images(data, num_images, seed), data.name, data.fingerprint(), True
    known = images_of(data, photos, grid, num_images, seed)
    drawn = SampledImages.of_tensor(known.images, torch.zeros(num_images, dtype=torch.int64))
    return drawn, known.name, known.fingerprint, False


def check_outputs(models: Mapping[str, nn.Module], image: Tensor, num_classes: int) -> None:
    """Try an image on every network, before a study begins.

    Args:
        models: by name.
        image: (1, 3, H, W).
        num_classes: of the data; 0 where unknown.

    Raises:
        ValueError: a network takes no such image, or they tell different numbers of classes apart.
    """
    counts = {}
    for name, model in models.items():
        output = output_of(name, model, image)
        if not isinstance(output, Tensor) or output.ndim != 2:
            got = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(f"Expected {name} to return logits of shape (N, K), got {got}.")
        counts[name] = output.shape[1]
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{count} of {name}" for name, count in counts.items())
        raise ValueError(f"Expected `models` to tell the same classes apart, got {told}.")
    if num_classes and set(counts.values()) != {num_classes}:
        raise ValueError(f"Expected `models` with the {num_classes} classes of the data, got {counts}.")


def _mean_probability(models: Iterable[nn.Module], images: Tensor, settings: StudySettings) -> Tensor:
    total = torch.zeros(())
    for model in models:
        parts = []
        for start in range(0, len(images), settings.batch_size):
            with torch.no_grad():
                # a copy, as a network may write to what it is given, and the others see the same images
                logits = model(images[start : start + settings.batch_size].to(settings.device, copy=True))
            parts.append(logits.softmax(1).cpu())
        total = total + torch.cat(parts)
    return total
