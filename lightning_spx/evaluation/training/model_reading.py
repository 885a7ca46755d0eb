"""The words by which a user says how images go into a model and how logits come out, the same in every command."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from lightning import LightningModule
from torch import nn

from lightning_spx.guard.model_output import OutputChoice
from lightning_spx.models import ImageClassifier, Normalize
from lightning_spx.models.builder import import_path
from lightning_spx.models.image_model import Head, ImageModel
from lightning_spx.models.normalize import IMAGENET_MEAN
from lightning_spx.models.preprocess import Preprocess
from lightning_spx.models.said_normalization import (
    chosen_normalization,
    input_channels,
    said_normalization,
    warn_of_another,
    warn_of_part,
)


@dataclass(frozen=True)
class ModelReading:
    """How a model reads images and how its output is read.

    Args:
        mean: channel means of the images that the model was trained on; None takes what a network itself says, or
            ImageNet's if it says nothing and takes three channels. A LightningModule takes images as they are.
        std: channel standard deviations of these images.
        preprocess: a differentiable callable in the place of `mean` and `std`.
        output: what picks the logits out of the model's output.
        input_name: the keyword of `forward` that takes images.
        head: kind of head; None takes what an ImageClassifier says, else `single_label`.

    Example:
        >>> from lightning_spx.models import SmallResNet
        >>> ModelReading(mean=[0.5], std=[0.25]).of(SmallResNet()).normalize.std.flatten().tolist()
        [0.25]
    """

    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    preprocess: Preprocess | None = None
    output: OutputChoice | None = None
    input_name: str | None = None
    head: Head | None = None

    @property
    def is_given(self) -> bool:
        """Whether the user says how images are normalized."""
        return self.mean is not None or self.std is not None or self.preprocess is not None

    def with_words(self, words: Mapping[str, Any]) -> Self:
        """Return the reading with output, input and head of other words, such as a run's, where it says nothing."""
        names = [name for name in ("output", "input_name", "head") if getattr(self, name) is None]
        return replace(self, **{name: words[name] for name in names if words.get(name) is not None})

    def of(self, network: nn.Module, image_size: int | None = None, trained: bool = False) -> ImageModel:
        """Return a network as a model of images in [0, 1].

        Args:
            network: the network, or a LightningModule.
            image_size: side of the images that it expects; None keeps theirs.
            trained: whether its weights are the user's own, so that what the architecture says of its published
                weights does not bind.

        Raises:
            ValueError: the normalization is none, contradicts the network, or would come twice.
        """
        mean, std, preprocess = self.mean, self.std, self.preprocess
        if isinstance(network, ImageClassifier):
            if self.is_given:
                raise ValueError(
                    "Expected `mean`, `std` and `preprocess` to be those of ImageClassifier itself, which normalizes "
                    "in its first layer, got others as well."
                )
        elif isinstance(network, LightningModule):
            if trained and not self.is_given:
                warn_of_part(network)
        elif preprocess is None and (self.is_given or _takes_colors(network)):
            chosen = chosen_normalization(network, _channels(mean), _channels(std))
            if trained and self.is_given:
                warn_of_another(network, *chosen)
                mean, std, preprocess = None, None, Normalize(*chosen)
            else:
                mean, std = chosen
        head = self.head or (network.head if isinstance(network, ImageClassifier) else "single_label")
        # in a command a function has its import path, which no name of an output is
        output = import_path(self.output) if isinstance(self.output, str) and "." in self.output else self.output
        return ImageModel(network, mean, std, preprocess, image_size, output, self.input_name, head)


def _channels(values: Sequence[float] | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(values)


def described_normalization(model: nn.Module) -> dict[str, Any]:
    """Return the normalization of a model as plain values for a run's record: `mean` and `std`, or `preprocess`."""
    layer: object = getattr(model, "normalize", None)
    network = getattr(model, "network", None)
    if layer is None and isinstance(network, ImageClassifier):
        layer = network.normalize
    if isinstance(layer, Normalize):
        return {name: getattr(layer, name).flatten().tolist() for name in ("mean", "std")}
    return {} if layer is None else {"preprocess": str(layer)}


def said_in_words(facts: Mapping[str, Any]) -> str:
    """Say a normalization of `described_normalization` in a few words.

    Example:
        >>> said_in_words({"mean": [0.5], "std": [0.25]}), said_in_words({})
        ('images normalized by mean 0.5 and std 0.25', 'images in [0, 1] as they are')
    """
    if "mean" in facts:
        mean, std = (", ".join(f"{value:.3g}" for value in facts[name]) for name in ("mean", "std"))
        return f"images normalized by mean {mean} and std {std}"
    return f"images preprocessed by {facts['preprocess']}" if "preprocess" in facts else "images in [0, 1] as they are"


def _takes_colors(network: nn.Module) -> bool:
    channels = input_channels(network)
    return channels in (None, len(IMAGENET_MEAN)) or said_normalization(network) is not None
