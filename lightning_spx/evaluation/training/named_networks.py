"""Loads the checkpoints and networks that a user names, as classifiers of images in [0, 1]."""

import copy
import csv
import hashlib
from argparse import ArgumentError
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import yaml
from lightning import LightningModule
from torch import Tensor, nn

from lightning_spx.models import ImageClassifier, pretrained
from lightning_spx.models.at_size import AtSize
from lightning_spx.models.checkpoint_file import check_exists, load_checkpoint, read_state
from lightning_spx.models.said_normalization import chosen_normalization, normalized_as_trained
from lightning_spx.runs.folder import CONFIG_FILE
from lightning_spx.runs.reading import one_line, read_config

# the code of a model may be anybody's, and raises any of these for images that it does not take
RAISED_BY_MODEL = (RuntimeError, LookupError, AttributeError, AssertionError, ArithmeticError)
SAME_PHOTOS = (
    "Networks that were trained on the same photos, as pretrained ones are: their agreement is one between "
    "architectures, not between models trained on other data."
)


@dataclass(frozen=True)
class NamedNetwork:
    """A network with weights from a file, and a name for pictures.

    Args:
        network: any network that maps normalized images to logits, such as `torchvision.models.resnet50`.
        weights: a file of `torch.save(network.state_dict(), ...)` or `.safetensors`; None keeps the network's weights.
        name: name in pictures; empty takes the name of the network's class.
        mean: channel means of the normalization that the network expects. None takes what the network itself says (as
            timm's do), or ImageNet's if it says nothing.
        std: channel standard deviations of that normalization.
        image_size: side of the images that the network expects; None keeps the size of the images.
    """

    network: nn.Module
    weights: str | None = None
    name: str = ""
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    image_size: int | None = None

    def decided(self) -> "NamedNetwork":
        """Return a copy that says which normalization is used.

        Raises:
            ValueError: parts of the network contradict each other about it.
        """
        mean, std = chosen_normalization(self.network, self.mean, self.std)
        return replace(self, mean=mean, std=std)

    def build(self) -> ImageClassifier:
        """Return the network behind its normalization, and behind a resizing layer if it has an `image_size`.

        Raises:
            FileNotFoundError: the file of weights does not exist.
            ValueError: the weights belong to another network, or are split over several files.
        """
        mean, std = chosen_normalization(self.network, self.mean, self.std)
        network = self.network
        if self.weights is not None:
            network = pretrained(network, Path(self.weights))
        if self.image_size is not None:
            network = AtSize(network, self.image_size)
        return ImageClassifier(network, mean=mean, std=std)


def normalization(model: nn.Module) -> dict[str, list[float]]:
    """Return the mean and std by which a classifier normalizes, for a run's record; empty for other models."""
    if not isinstance(model, ImageClassifier):
        return {}
    layer = model.normalize
    return {name: getattr(layer, name).flatten().tolist() for name in ("mean", "std")}


def load_classifier(checkpoint: Path, network: nn.Module | None = None) -> LightningModule:
    """Load one of this package's checkpoints, in evaluation mode.

    Args:
        checkpoint: written by `spx fit`, by `spx stability` into its run folder, or from Python code.
        network: the network, for a checkpoint that does not name its own.

    Raises:
        FileNotFoundError: the checkpoint does not exist.
        ValueError: the file is no checkpoint of this package, or does not name its network and `network` is None.
    """
    check_exists(checkpoint)
    config = checkpoint.parent.parent / CONFIG_FILE
    if network is None and checkpoint.parent.name == "checkpoints" and config.is_file():
        model = read_config(config).get("model")
        if isinstance(model, dict) and "class_path" in model:
            # a run's checkpoints do not name their network, because its configuration does
            with normalized_as_trained():
                return load_checkpoint(checkpoint, lambda: _build(model))
    if network is not None:
        # copy the network, because several checkpoints may share it
        with normalized_as_trained():
            return load_checkpoint(checkpoint, lambda: ImageClassifier(copy.deepcopy(network)))
    state = read_state(checkpoint)
    try:
        return ImageClassifier.load_from_checkpoint(checkpoint, map_location="cpu").eval()
    except (ArgumentError, ImportError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        if any(name.startswith("generator_ab.") for name in state):
            raise ValueError(
                f"Expected a checkpoint of ImageClassifier, or `part` for one of CycleGAN, got {checkpoint}."
            ) from error
        if "network=" in str(error):
            raise ValueError(
                f"Expected {checkpoint} to name its network, which it does not: give `network`."
            ) from error
        if str(checkpoint) in str(error):
            raise
        # a parser's message has many lines
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"Expected a checkpoint of ImageClassifier, got {checkpoint}: {reason}") from error


def _build(model: dict[str, object]) -> LightningModule:
    # only the command line, and checkpoints that it wrote, need this package
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(LightningModule, "model")
    module: LightningModule = parser.instantiate(parser.parse_string(yaml.safe_dump({"model": model})))["model"]
    return module


def name_models(
    checkpoints: Sequence[str], network: NamedNetwork | None, others: Sequence[NamedNetwork]
) -> dict[str, LightningModule]:
    """Load all models that the user names, and return them by their names in pictures.

    Args:
        checkpoints: checkpoints of this package; with a `network`, they hold its weights.
        network: the network of the checkpoints; without checkpoints it is a model itself.
        others: more models.

    Raises:
        ValueError: no model is named.
    """
    paths = [Path(checkpoint) for checkpoint in checkpoints]
    named: list[tuple[str, LightningModule]] = [
        (
            name,
            load_classifier(path, None if network is None else network.network),
        )
        for name, path in zip(stems_or_paths(paths), paths, strict=True)
    ]
    for each in [*([network] if network is not None and not paths else []), *others]:
        named.append((each.name or type(each.network).__name__, each.build()))
    if not named:
        raise ValueError("Expected a model: a checkpoint as `ckpt`, or a `network` with its `weights`.")
    models: dict[str, LightningModule] = {}
    for name, model in named:
        number = sum(other.partition(" #")[0] == name for other in models) + 1
        models[name if number == 1 else f"{name} #{number}"] = model.eval()
    return models


def stems_or_paths(paths: Sequence[Path]) -> list[str]:
    """Name files by their stems, or by their paths if several share a stem.

    Example:
        >>> stems_or_paths([Path("a/last.ckpt"), Path("b/last.ckpt"), Path("b/best.ckpt")])
        ['a/last.ckpt', 'b/last.ckpt', 'best']
    """
    stems = [path.stem for path in paths]
    return [path.stem if stems.count(path.stem) == 1 else str(path) for path in paths]


def read_classes(path: Path) -> list[str]:
    """Read class names from a text file with one per line, or a CSV file with the columns `index` and `name`.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: a CSV file lacks these columns, or has gaps in its indices.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected `classes` to be a text file or a CSV file, found none at {path}.")
    text = path.read_text(encoding="utf-8")
    if path.suffix.lower() != ".csv":
        return [line.strip() for line in text.splitlines() if line.strip()]
    rows = list(csv.DictReader(text.splitlines()))
    if not rows or not {"index", "name"} <= rows[0].keys():
        raise ValueError(
            f"Expected {path} to have the columns `index` and `name`, got {list(rows[0]) if rows else []}."
        )
    names = {int(row["index"]): row["name"] for row in rows}
    if sorted(names) != list(range(len(names))):
        raise ValueError(f"Expected {path} to have indices 0 to {len(names) - 1} without gaps, got others.")
    return [names[index] for index in range(len(names))]


def class_index(target: str, classes: Sequence[str], num_classes: int) -> int:
    """Return the index of a class that is given by its index or its name.

    Raises:
        ValueError: there is no such class.

    Example:
        >>> class_index("owl", ["jay", "owl"], 2), class_index("1", [], 2)
        (1, 1)
    """
    if target in classes:
        return list(classes).index(target)
    if target.isdecimal() and int(target) < num_classes:
        return int(target)
    known = f"0 to {num_classes - 1}" + (f" or one of {', '.join(list(classes)[:5])} ..." if classes else "")
    raise ValueError(f"Expected `target` to be a class, {known}, got {target!r}.")


def weights_hash(models: Mapping[str, nn.Module]) -> dict[str, str]:
    """Return a SHA-256 of each model's state, because other weights under the same name make another study."""
    hashes = {}
    for name, model in models.items():
        digest = hashlib.sha256()
        for key, value in model.state_dict().items():
            digest.update(key.encode())
            if isinstance(value, Tensor):
                digest.update(np.ascontiguousarray(value.detach().cpu().float().numpy()).tobytes())
        hashes[name] = digest.hexdigest()
    return hashes


def output_of(name: str, model: nn.Module, image: Tensor) -> object:
    """Return the output of a network that a user has named, for an image (1, 3, H, W).

    Raises:
        ValueError: the network does not take this image.
    """
    try:
        with torch.no_grad():
            output: object = model(image.clone())
    except (*RAISED_BY_MODEL, ValueError, TypeError) as error:
        reason = one_line(error)
        raise ValueError(
            f"Expected {name} to take images of its `image_size` (by default {image.shape[-1]}), got "
            f"{type(error).__name__}: {reason}"
        ) from error
    return output
