"""Loads the checkpoints and networks that a user names, as classifiers of images in [0, 1]."""

import hashlib
import warnings
from argparse import ArgumentError
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from lightning import LightningModule
from torch import Tensor, nn

from lightning_spx.evaluation.training.model_reading import ModelReading
from lightning_spx.models import ImageClassifier
from lightning_spx.models.checkpoint_file import ModelFactory, load_checkpoint, read_state
from lightning_spx.models.image_model import Head, ImageModel
from lightning_spx.models.network_name import network_name
from lightning_spx.models.preprocess import Preprocess
from lightning_spx.models.said_normalization import normalized_as_trained
from lightning_spx.models.saved_weights import SavedWeights, check_exists, read_saved
from lightning_spx.runs.folder import CONFIG_FILE
from lightning_spx.runs.reading import one_line, read_config

# the code of a model may be anybody's, and raises any of these for images that it does not take
RAISED_BY_MODEL = (RuntimeError, LookupError, AttributeError, AssertionError, ArithmeticError)
# entries that only an ImageClassifier's weights have
NORMALIZED, NORMALIZED_BY = "normalize.mean", "normalize.std"
SAME_PHOTOS = (
    "Networks that were trained on the same photos, as pretrained ones are: their agreement is one between "
    "architectures, not between models trained on other data."
)
SAME_WEIGHTS = "{} of the models compared have the same weights: their agreement says nothing."


def same_weights(hashes: Sequence[str]) -> list[str]:
    """Warn of models that have the same weights.

    Args:
        hashes: of the weights of each model that is compared.

    Example:
        >>> same_weights(["a", "b"]), same_weights(["a", "b", "a"])
        ([], ['2 of the models compared have the same weights: their agreement says nothing.'])
    """
    twice = len(hashes) - len(set(hashes))
    return [SAME_WEIGHTS.format(1 + twice)] if twice else []


@dataclass(frozen=True)
class NamedNetwork:
    """A network with weights from a file, and a name for pictures.

    Args:
        network: any network that maps normalized images to logits, such as `torchvision.models.resnet50`.
        weights: a file of `torch.save(network.state_dict(), ...)`, a Lightning checkpoint, a `.safetensors` file, or
            the folder of a Hugging Face model; None keeps the network's weights.
        name: name in pictures; empty takes the name of the network's class.
        mean: channel means of the normalization that the network expects. None takes what the network itself says (as
            timm's do), or ImageNet's if it says nothing.
        std: channel standard deviations of that normalization.
        image_size: side of the images that the network expects; None keeps the size of the images.
        preprocess: a differentiable callable in the place of `mean` and `std`, such as `ZScore()`.
        output: what picks the logits out of the network's output: a name, a position or a function.
        input_name: the keyword of `forward` that takes images.
        head: kind of head.
    """

    network: nn.Module
    weights: str | None = None
    name: str = ""
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    image_size: int | None = None
    preprocess: Preprocess | None = None
    output: int | str | None = None
    input_name: str | None = None
    head: Head | None = None

    def build(self) -> ImageModel:
        """Return the network with its weights, behind its normalization, as a model of images in [0, 1].

        Raises:
            FileNotFoundError: the file of weights does not exist.
            ValueError: the weights belong to another network, or are split over several files.
        """
        reading = ModelReading(self.mean, self.std, self.preprocess, self.output, self.input_name, self.head)
        if self.weights is None:
            return reading.of(self.network, self.image_size)
        return load_model(Path(self.weights), reading, lambda: self.network, self.image_size)


def load_model(
    checkpoint: Path, reading: ModelReading, factory: ModelFactory | None = None, image_size: int | None = None
) -> ImageModel:
    """Load a checkpoint of any class as a model of images in [0, 1], in evaluation mode.

    Args:
        checkpoint: a file or folder of weights, as `read_saved` takes it.
        reading: how the model reads images and how its output is read.
        factory: makes the untrained model; None makes what a checkpoint of this package says.
        image_size: side of the images that the model expects; None keeps theirs.

    Raises:
        FileNotFoundError: the checkpoint does not exist.
        ValueError: the file does not fit the model, or names none and `factory` is None.
    """
    if factory is None:
        return reading.with_words(_run_words(checkpoint)).of(load_classifier(checkpoint), image_size).eval()
    saved = read_saved(checkpoint)
    module = saved.put_into(_inside_its_classifier(factory(), saved))
    return reading.of(module, image_size, trained=True).eval()


def _inside_its_classifier(network: nn.Module, saved: SavedWeights) -> nn.Module:
    """Return a network inside an ImageClassifier if one was saved: normalization and head belong to the weights."""
    if isinstance(network, LightningModule) or NORMALIZED not in saved.state or NORMALIZED in network.state_dict():
        return network
    mean, std = (tuple(saved.state[name].flatten().tolist()) for name in (NORMALIZED, NORMALIZED_BY))
    reading = {name: saved.settings[name] for name in ("head", "output", "input_name") if name in saved.settings}
    with normalized_as_trained():
        return ImageClassifier(network, mean=mean, std=std, **reading)


def load_classifier(checkpoint: Path) -> nn.Module:
    """Load one of this package's checkpoints, in evaluation mode.

    Args:
        checkpoint: written by `spx fit`, by `spx stability` into its run folder, or from Python code.

    Raises:
        FileNotFoundError: the checkpoint does not exist.
        ValueError: the file is no checkpoint of this package, or does not name its network.
    """
    check_exists(checkpoint)
    model = _run_words(checkpoint).get("model")
    if isinstance(model, dict) and "class_path" in model:
        # a run's checkpoints do not name their network, because its configuration does
        with normalized_as_trained():
            return load_checkpoint(checkpoint, lambda: _build(model))
    state = read_state(checkpoint)
    try:
        return ImageClassifier.load_from_checkpoint(checkpoint, map_location="cpu").eval()
    except (ArgumentError, ImportError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        if any(name.startswith("generator_ab.") for name in state):
            raise ValueError(
                f"Expected a checkpoint of ImageClassifier, or `part` for one of CycleGAN, got {checkpoint}."
            ) from error
        if "network=" in str(error):
            raise ValueError(f"Expected {checkpoint} to name its network, which it does not: give `model`.") from error
        if str(checkpoint) in str(error):
            raise
        # a parser's message has many lines
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"Expected a checkpoint of ImageClassifier, or `model` for one of another class, got {checkpoint}: {reason}"
        ) from error


def _run_words(checkpoint: Path) -> Mapping[str, Any]:
    """Return the configuration of the run that a checkpoint was made in; empty for other checkpoints."""
    config = checkpoint.parent.parent / CONFIG_FILE
    return read_config(config) if checkpoint.parent.name == "checkpoints" and config.is_file() else {}


def _build(model: dict[str, object]) -> nn.Module:
    # only the command line, and checkpoints that it wrote, need this package
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(nn.Module, "model", fail_untyped=False)
    module: nn.Module = parser.instantiate(parser.parse_string(yaml.safe_dump({"model": model})))["model"]
    return module


def name_models(
    checkpoints: Sequence[str],
    factory: ModelFactory | None,
    reading: ModelReading,
    others: Sequence[NamedNetwork],
    weights: str | None = None,
) -> dict[str, ImageModel]:
    """Load all models that the user names, and return them by their names in pictures.

    Args:
        checkpoints: weights of the models, one file each.
        factory: makes the untrained model of the checkpoints; without checkpoints it makes a model itself. None takes
            checkpoints of this package.
        reading: how these models read images and how their output is read.
        others: more models.
        weights: without checkpoints, the weights of the model itself.

    Raises:
        ValueError: no model is named, or `weights` come with checkpoints.
    """
    paths = [Path(checkpoint) for checkpoint in checkpoints]
    if weights is not None and (paths or factory is None):
        raise ValueError(f"Expected `weights` with a `model` and without `checkpoints`, got {weights}.")
    named = [
        (name, load_model(path, reading, factory)) for name, path in zip(stems_or_paths(paths), paths, strict=True)
    ]
    if factory is not None and not paths:
        own = reading.of(factory()) if weights is None else load_model(Path(weights), reading, factory)
        if weights is None and has_random_weights(own.users_network, factory):
            warnings.warn(
                f"The weights of {network_name(own)} are random: give `weights` or `checkpoints`, or its maps say "
                "nothing of a trained model.",
                stacklevel=2,
            )
        named.append((network_name(own), own))
    named += [(each.name or type(each.network).__name__, each.build()) for each in others]
    if not named:
        raise ValueError("Expected a model: `model` with `weights` or `checkpoints`, or `checkpoints` alone, got none.")
    models: dict[str, ImageModel] = {}
    for name, model in named:
        number = sum(other.partition(" #")[0] == name for other in models) + 1
        models[name if number == 1 else f"{name} #{number}"] = model.eval()
    return models


def has_random_weights(network: Callable[..., Any], factory: ModelFactory) -> bool:
    """Return whether a factory draws weights: whether it makes others when called again.

    Example:
        >>> has_random_weights(nn.Linear(1, 1), lambda: nn.Linear(1, 1)), has_random_weights(nn.ReLU(), nn.ReLU)
        (True, False)
    """
    if not isinstance(network, nn.Module):
        return False
    with torch.random.fork_rng():
        torch.manual_seed(torch.initial_seed() % 2**31 + 1)
        other = factory()
    pairs = zip(network.parameters(), other.parameters(), strict=True)
    return any(not torch.equal(own, again) for own, again in pairs)


def stems_or_paths(paths: Sequence[Path]) -> list[str]:
    """Name files by their stems, or by their paths if several share a stem.

    Example:
        >>> stems_or_paths([Path("a/last.ckpt"), Path("b/last.ckpt"), Path("b/best.ckpt")])
        ['a/last.ckpt', 'b/last.ckpt', 'best']
    """
    stems = [path.stem for path in paths]
    return [path.stem if stems.count(path.stem) == 1 else str(path) for path in paths]


def weights_hash(models: Mapping[str, nn.Module]) -> dict[str, str]:
    """Return a SHA-256 of each model's state, because other weights under the same name make another study."""
    hashes = {}
    for name, each in models.items():
        digest = hashlib.sha256()
        # a classifier has its normalization itself, and earlier versions hashed it alone
        model = each.network if isinstance(each, ImageModel) and isinstance(each.network, ImageClassifier) else each
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
        if str(error).startswith("Expected `"):
            # our own words on how the model is read
            raise
        reason = one_line(error)
        raise ValueError(
            f"Expected {name} to take images of its `image_size` (by default {image.shape[-1]}), got "
            f"{type(error).__name__}: {reason}"
        ) from error
    return output
