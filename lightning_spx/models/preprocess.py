"""What a network's images go through before they reach it: a normalization, or a differentiable function."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn

from lightning_spx.models.builder import import_path
from lightning_spx.models.image_processor import of_processor
from lightning_spx.models.normalize import Normalize
from lightning_spx.models.said_normalization import of_network, said_normalization

# a module first, so that the command line takes one by its class
Preprocess = nn.Module | Callable[[Tensor], Tensor]


class Preprocessing(nn.Module):
    """Makes a layer of a function, so that it is found and named like any other.

    Args:
        function: the function, or its import path.

    Example:
        >>> Preprocessing(torch.neg)(torch.ones(1)).item()
        -1.0
    """

    def __init__(self, function: str | Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function: Callable[[Tensor], Tensor] = import_path(function) if isinstance(function, str) else function

    def extra_repr(self) -> str:
        """Return the function's name."""
        return _name(self.function)

    def forward(self, images: Tensor) -> Tensor:
        """Return what the function gives for images `(N, C, H, W)` in [0, 1]."""
        return self.function(images)


def chosen_preprocess(
    network: Callable[..., Any],
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    preprocess: Preprocess | None,
) -> nn.Module | None:
    """Return the layer before a network: the user's choice, else what the network says; None changes nothing.

    Args:
        network: the network behind it.
        mean: the user's channel means, or None.
        std: the user's channel standard deviations, or None.
        preprocess: the user's function, or None; an image processor of Hugging Face stands for its normalization.

    Raises:
        ValueError: both are given, `mean` and `std` do not fit, or the network says another normalization.
    """
    if (mean is None) != (std is None) or (mean is not None and std is not None and len(mean) != len(std)):
        raise ValueError(f"Expected `mean` and `std` to be of equal length or both None, got {mean} and {std}.")
    if preprocess is not None:
        if mean is not None:
            raise ValueError(f"Expected `preprocess` or `mean` and `std`, got {_name(preprocess)} and {mean}, {std}.")
        said = of_processor(preprocess)
        if said is not None:
            return Normalize(*said)
        return preprocess if isinstance(preprocess, nn.Module) else Preprocessing(preprocess)
    if mean is None or std is None:
        chosen = of_network(network) if isinstance(network, nn.Module) else None
        return None if chosen is None else Normalize(*chosen)
    layer = Normalize(mean, std)
    if isinstance(network, nn.Module):
        _refuse_contradiction(network, layer)
    # bit for bit the same, and no work
    return None if _does_nothing(layer) else layer


def _does_nothing(layer: Normalize) -> bool:
    return not bool(layer.mean.any()) and bool((layer.std == 1).all())


def check_differentiable(layer: nn.Module, images: Tensor, inputs: object) -> None:
    """Refuse a preprocess that returns no images, mixes the batch's size, or cuts the graph.

    Args:
        layer: the preprocess.
        images: what it was given.
        inputs: what it returned.

    Raises:
        TypeError: it returned no floating point tensor.
        ValueError: it returned another number of images, or a tensor without the gradient of its input.
    """
    if not isinstance(inputs, Tensor) or not inputs.is_floating_point():
        kind = inputs.dtype if isinstance(inputs, Tensor) else type(inputs).__name__
        raise TypeError(f"Expected `preprocess` {_name(layer)} to return floating point images, got {kind}.")
    if len(inputs) != len(images) or inputs.ndim != 4:
        raise ValueError(
            f"Expected `preprocess` {_name(layer)} to return {len(images)} images (N, C, H, W), got "
            f"{tuple(inputs.shape)}."
        )
    if torch.is_grad_enabled() and images.requires_grad and not inputs.requires_grad:
        raise ValueError(
            f"Expected `preprocess` {_name(layer)} to be differentiable, got a result that is cut off from its input: "
            "compute it with torch, without `detach`, `no_grad` or NumPy."
        )


def check_gradient(layer: nn.Module | None, images: Tensor) -> None:
    """Refuse a preprocess whose gradient is broken, before any explanation is made.

    Args:
        layer: the preprocess; None has nothing to break.
        images: a few images (N, C, H, W) in [0, 1].

    Raises:
        ValueError: the gradient is missing, zero everywhere (as behind rounding), or not finite.
        TypeError: as in `check_differentiable`.

    Example:
        >>> check_gradient(Preprocessing(torch.round), torch.rand(1, 1, 2, 2))
        Traceback (most recent call last):
        ...
        ValueError: Expected `preprocess` round to be differentiable, got a gradient that is zero for every pixel.
    """
    if layer is None:
        return
    with torch.inference_mode(False), torch.enable_grad():
        pixels = images.detach().clone().requires_grad_()
        inputs = layer(pixels)
        check_differentiable(layer, pixels, inputs)
        # weighted unevenly, because a z-score's sum is 0 whatever the image
        weights = torch.linspace(0.5, 1.5, inputs.numel(), device=inputs.device, dtype=inputs.dtype).view_as(inputs)
        (gradient,) = torch.autograd.grad((inputs.square() * weights + inputs * weights.flip(-1)).sum(), pixels)
    if not bool(gradient.isfinite().all()):
        raise ValueError(f"Expected `preprocess` {_name(layer)} to have a finite gradient, got NaN or infinity.")
    if not bool(gradient.any()):
        raise ValueError(
            f"Expected `preprocess` {_name(layer)} to be differentiable, got a gradient that is zero for every pixel."
        )


def _refuse_contradiction(network: nn.Module, layer: Normalize) -> None:
    said = None if isinstance(network, LightningModule) else said_normalization(network)
    mean, std = tuple(layer.mean.flatten().tolist()), tuple(layer.std.flatten().tolist())
    if said is not None and said.is_certain and not said.is_near(mean, std):
        raise ValueError(
            f"Expected `mean` {said.mean} and `std` {said.std}, which {said.source} says its weights were trained "
            f"with, got {mean} and {std}: if yours were trained with these, give them as `preprocess`, "
            "lightning_spx.models.Normalize(mean, std)."
        )


def _name(preprocess: object) -> str:
    if isinstance(preprocess, Preprocessing):
        return _name(preprocess.function)
    return str(getattr(preprocess, "__name__", type(preprocess).__name__))
