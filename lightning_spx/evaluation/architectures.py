"""Agreement between architectures: networks that a user names explain the same photos on one common grid."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch.loggers import Logger
from torch import Tensor, nn

from lightning_spx.data import ImageDataModule
from lightning_spx.evaluation.drawn_images import DrawnImages
from lightning_spx.evaluation.known_images import images_of, weights_hash
from lightning_spx.evaluation.members import Member
from lightning_spx.evaluation.named_models import NamedNetwork, name_models
from lightning_spx.evaluation.provenance import RunRecord
from lightning_spx.evaluation.run_folder import default_folder, open_run_folder
from lightning_spx.evaluation.stability_results import conclude
from lightning_spx.evaluation.study import Study, StudySettings

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
    num_images: int,
    target: Literal["label", "prediction"],
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
        num_images: images that are explained.
        target: explain the label or each network's prediction.
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
    known = images_of(data, images, grid, num_images, settings.seed)
    check_outputs(models, known.images[:1], known.num_classes)

    run = open_run_folder(Path(out) if out else default_folder("stability", known.name, config), config)
    identity = {
        "command": "stability",
        "seed": settings.seed,
        "fingerprint": known.fingerprint,
        "weights": weights_hash(models),
    }
    record = RunRecord.open(run, identity)
    models = {name: model.to(settings.device) for name, model in models.items()}
    probability = _mean_probability(models.values(), known.images, settings)
    label = probability.argmax(1) if known.label is None else known.label
    study = Study(
        run=run,
        record=record,
        drawn=DrawnImages(known.images, label, known.index, known.mask, known.source),
        settings=settings,
        target=target,
    )
    members = [Member(0, number, number, None, name) for number, name in enumerate(models)]
    for name, each in zip(models, networks, strict=True):
        facts = {"network": type(each.network).__name__, "image_size": each.image_size or known.images.shape[-1]}
        record.content["models"][name] = facts
    record.content["names"] = list(models)
    record.lap("models and predictions")
    blocks = study.explain_repeat(0, members, lambda member: models[member.title], None)
    side = known.images.shape[-1]
    explained = {
        "prediction": "each network explains its own prediction",
        "label": "all explain the label"
        if known.label is not None
        else "all explain the class of the highest mean probability",
    }[target]
    said = [
        SAME_PHOTOS,
        f"Maps are gradients with respect to one grid of {side} x {side} pixels, which each network resizes to its own "
        f"size (bilinear, antialiased); {explained}.",
    ]
    conclude(study, blocks, known.name, f"{len(models)} architectures", list(models), loggers, said)
    return run.path


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
        try:
            with torch.no_grad():
                output = model(image)
        except (RuntimeError, AssertionError, ValueError, IndexError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ValueError(
                f"Expected {name} to take images of its `image_size` (by default {image.shape[-1]}): {reason}"
            ) from error
        if not isinstance(output, Tensor) or output.ndim != 2:
            raise ValueError(f"Expected {name} to return logits of shape (N, K), got {type(output).__name__}.")
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
                logits = model(images[start : start + settings.batch_size].to(settings.device))
            parts.append(logits.softmax(1).cpu())
        total = total + torch.cat(parts)
    return total
