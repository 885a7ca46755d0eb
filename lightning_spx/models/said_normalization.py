"""Reads the normalization that a network says it needs, so that no other one is silently put before it."""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from lightning import LightningModule
from torch import nn

from lightning_spx.models.image_processor import processor_beside
from lightning_spx.models.normalize import IMAGENET_MEAN, IMAGENET_STD

Channels = tuple[float, ...]
# attributes in which timm keeps the settings of its weights
CONFIGURATIONS = ("pretrained_cfg", "default_cfg")
# attributes of a layer that normalizes
LAYER_VALUES = (("mean", "std"), ("new_mean", "new_std"))
# 127/255 must count as 1/2
TOLERANCE = 5e-3
ADVICE = "Give `mean` and `std`, unless its weights were trained behind these."


@dataclass(frozen=True)
class SaidNormalization:
    """The normalization that a network says it expects.

    Args:
        mean: channel means.
        std: channel standard deviations.
        source: words that name what says so.
        is_certain: whether the network itself says so; if only a part says so, the network may do anything before it.
    """

    mean: Channels
    std: Channels
    source: str
    is_certain: bool

    def is_near(self, mean: Sequence[float], std: Sequence[float]) -> bool:
        """Return whether these values are equal to two digits."""
        if len({len(self.mean), len(mean)} - {1}) > 1:
            return False
        ours, theirs = np.broadcast_arrays(np.array([self.mean, self.std]), np.array([mean, std]))
        return bool((np.abs(ours - theirs) < TOLERANCE).all())


def said_normalization(network: nn.Module) -> SaidNormalization | None:
    """Return the normalization that a network or a part of it says it expects, or None if nothing says so.

    Args:
        network: any network; timm's say it in `pretrained_cfg`. A network that contains a normalizing layer, such as
            torchvision's `Normalize`, expects images in [0, 1].

    Raises:
        ValueError: parts of the network contradict each other, or it expects images that are not RGB.

    Example:
        >>> network = nn.Linear(1, 1)
        >>> network.pretrained_cfg = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
        >>> said_normalization(network).mean, said_normalization(nn.Linear(1, 1))
        ((0.5, 0.5, 0.5), None)
    """
    kind = type(network).__name__
    own = _configured(network)
    if own is not None:
        fitting = _for_input(network, *own)
        return None if fitting is None else SaidNormalization(*fitting, kind, is_certain=True)
    beside = processor_beside(network)
    if beside is not None:
        return SaidNormalization(*beside, f"the image processor of {kind}", is_certain=True)
    found: dict[str, tuple[Channels, Channels]] = {}
    for name, part in network.named_modules():
        if any(name.startswith(f"{outer}.") for outer in found):
            continue
        values = _configured(part)
        if values is not None:
            found[name] = values
        elif _is_normalizing(part):
            source = f"{kind}, whose layer `{name}` ({type(part).__name__}) normalizes"
            return SaidNormalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), source, is_certain=False)
    if len(set(found.values())) > 1:
        parts = ", ".join(f"`{name}` mean {mean} and std {std}" for name, (mean, std) in list(found.items())[:3])
        raise ValueError(f"Expected the parts of {kind} to be normalized alike, got {parts}.")
    for name, (mean, std) in found.items():
        source = f"the part `{name}` ({type(network.get_submodule(name)).__name__}) of {kind}"
        return SaidNormalization(mean, std, source, is_certain=False)
    return None


def chosen_normalization(
    network: nn.Module, mean: Channels | None = None, std: Channels | None = None
) -> tuple[Channels, Channels]:
    """Return what the user set, or else what the network says, or else ImageNet's normalization.

    If only a part of the network says it, a warning names the part.

    Args:
        network: the network behind the normalization.
        mean: the user's channel means, or None.
        std: the user's channel standard deviations, or None.

    Raises:
        ValueError: as in `said_normalization`, unless both are set.

    Example:
        >>> chosen_normalization(nn.Linear(1, 1), std=(1.0, 1.0, 1.0))
        ((0.485, 0.456, 0.406), (1.0, 1.0, 1.0))
    """
    if mean is not None and std is not None:
        return mean, std
    said = said_normalization(network)
    if said is None:
        pair = _own_pair(network)
        if pair:
            warnings.warn(
                f"{type(network).__name__} has the buffers {pair}, and it cannot be told whether it normalizes images "
                f"by them: they are normalized by mean {mean or IMAGENET_MEAN} and std {std or IMAGENET_STD} before "
                "it. If it does so itself, give `mean` (0, 0, 0) and `std` (1, 1, 1).",
                stacklevel=3,
            )
        return mean or IMAGENET_MEAN, std or IMAGENET_STD
    if not said.is_certain and not said.is_near(IMAGENET_MEAN, IMAGENET_STD):
        warnings.warn(
            f"Images are normalized by mean {mean or said.mean} and std {std or said.std}, those of {said.source}: "
            "give `mean` and `std` if the network expects others.",
            stacklevel=3,
        )
    return mean or said.mean, std or said.std


def of_network(network: nn.Module) -> tuple[Channels, Channels] | None:
    """Return mean and std that a network says it expects; None if it says nothing or changes nothing.

    If only a part of the network says it, a warning names the part. A LightningModule takes images as its `forward`
    does, whatever its parts say.

    Raises:
        ValueError: as in `said_normalization`.

    Example:
        >>> of_network(nn.Linear(1, 1)) is None
        True
    """
    if isinstance(network, LightningModule):
        return None
    said = said_normalization(network)
    if said is None and _configured(network) is not None:
        warnings.warn(
            f"{type(network).__name__} takes {input_channels(network)} channels and says a normalization of others: "
            "images are taken as they are, in [0, 1]. Give `mean` and `std` if it was trained on others.",
            stacklevel=3,
        )
    if said is None or (not any(said.mean) and set(said.std) == {1.0}):
        return None
    if not said.is_certain:
        warnings.warn(
            f"Images are normalized by mean {said.mean} and std {said.std}, those of {said.source}: give `mean` and "
            "`std` if the network expects others.",
            stacklevel=3,
        )
    return said.mean, said.std


def input_channels(network: nn.Module) -> int | None:
    """Return the number of channels of the first convolution, in the order of definition; None without one.

    Example:
        >>> input_channels(nn.Sequential(nn.Conv2d(1, 4, 3))), input_channels(nn.Linear(1, 1))
        (1, None)
    """
    return next((part.in_channels for part in network.modules() if isinstance(part, nn.Conv2d)), None)


def _for_input(network: nn.Module, mean: Channels, std: Channels) -> tuple[Channels, Channels] | None:
    """Return what a configuration of colors says to a network of another number of channels.

    That is one number each if its numbers are equal, and otherwise nothing: timm keeps the numbers of the published
    weights, whatever the network takes.
    """
    if input_channels(network) in (None, len(mean)):
        return mean, std
    return (mean[:1], std[:1]) if len(set(mean)) == len(set(std)) == 1 else None


def warn_of_part(module: LightningModule) -> None:
    """Warn if a part of a LightningModule says a normalization that images in [0, 1] do not get."""
    try:
        said = said_normalization(module)
    except ValueError:
        return
    if said is not None and (any(said.mean) or set(said.std) != {1.0}):
        warnings.warn(
            f"Images go into {type(module).__name__} in [0, 1] as they are, but {said.source} expects mean {said.mean} "
            f"and std {said.std}: give `mean` and `std`, unless the module normalizes them itself.",
            stacklevel=3,
        )


def warn_of_another(network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
    """Warn if a normalization differs from the one that the network says it expects, naming both."""
    try:
        said = said_normalization(network)
    except ValueError as error:
        warnings.warn(f"{error} Images are normalized by mean {tuple(mean)}, std {tuple(std)}. {ADVICE}", stacklevel=3)
        return
    if said is not None and not said.is_near(mean, std):
        warnings.warn(
            f"Images are normalized by mean {tuple(mean)} and std {tuple(std)}, not by mean {said.mean} and std "
            f"{said.std}, those of {said.source}. {ADVICE}",
            stacklevel=3,
        )


@contextmanager
def normalized_as_trained() -> Iterator[None]:
    """Suppress that warning: a checkpoint contains the normalization with which its weights were trained."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=f".*{re.escape(ADVICE)}")
        yield


def _configured(module: nn.Module) -> tuple[Channels, Channels] | None:
    """Read mean and standard deviation for images in [0, 1] from a network's own description."""
    for name in CONFIGURATIONS:
        configuration = getattr(module, name, None)
        if configuration is not None:
            mean, std = (_numbers(_value(configuration, key)) for key in ("mean", "std"))
            if mean is not None and std is not None:
                return mean, std
    # attributes of the networks of the package pretrainedmodels
    space, most = getattr(module, "input_space", None), getattr(module, "input_range", None)
    mean, std = _numbers(getattr(module, "mean", None)), _numbers(getattr(module, "std", None))
    if space is None or most is None or mean is None or std is None:
        return None
    if space != "RGB":
        raise ValueError(f"Expected a network of RGB images, got {type(module).__name__} of {space}.")
    return tuple(value / max(most) for value in mean), tuple(value / max(most) for value in std)


def _is_normalizing(module: nn.Module) -> bool:
    """Return whether a module only normalizes: no parts, no parameters, a mean and a standard deviation."""
    if next(module.children(), None) is not None or next(module.parameters(), None) is not None:
        return False
    pairs = [[_numbers(getattr(module, name, None)) for name in names] for names in LAYER_VALUES]
    return any(None not in pair for pair in pairs)


def _own_pair(network: nn.Module) -> str:
    """Name buffers that may be a mean and a standard deviation of channels; empty if there are none."""
    buffers = {name: buffer for name, buffer in network.named_buffers() if _is_for_channels(buffer)}
    for name in buffers:
        owner, _, last = name.rpartition(".")
        other = f"{owner}{'.' if owner else ''}{last.replace('mean', 'std')}"
        if "mean" in last and other in buffers:
            return f"`{name}` and `{other}`"
    return ""


def _is_for_channels(buffer: torch.Tensor) -> bool:
    """Return whether a buffer has one number for each of three image channels, or one for all."""
    return buffer.is_floating_point() and buffer.numel() in (1, 3) and buffer.shape[-2:] in ((1, 1), (3,), (1,), ())


def _value(configuration: object, key: str) -> object:
    return configuration.get(key) if isinstance(configuration, Mapping) else getattr(configuration, key, None)


def _numbers(values: object) -> Channels | None:
    """Read one number for each channel, or three times the one for all; None for anything else."""
    if isinstance(values, torch.Tensor | np.ndarray):
        values = values.flatten().tolist()
    if not isinstance(values, list | tuple) or not all(isinstance(value, int | float) for value in values):
        return None
    if not values:
        return None
    return tuple(float(value) for value in (values if len(values) > 1 else 3 * list(values)))
