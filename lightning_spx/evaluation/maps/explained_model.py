"""Wraps a user's module so that it maps images in [0, 1] to logits, with its own weights or with others."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn

from lightning_spx.evaluation.maps.placed_weights import PlacedWeights
from lightning_spx.guard import Prepared

# restored images leave [0, 1] only by rounding errors; images that are still normalized leave it by far more
TOLERANCE = 1e-2


class ImageScale:
    """Restores a loader's images to [0, 1], and scales them again for the model.

    Args:
        mean: one number for each channel, which the loader subtracts; None if it does not normalize.
        std: one number for each channel, by which the loader divides afterwards.

    Raises:
        ValueError: only one of the two is given, their lengths differ, or a `std` is not a positive number.

    Example:
        >>> scale = ImageScale((0.5,), (0.25,))
        >>> scale.restore(torch.full((1, 1, 1, 1), 2.0)).item(), scale.apply(torch.ones(1, 1, 1, 1)).item()
        (1.0, 2.0)
    """

    def __init__(self, mean: Sequence[float] | None, std: Sequence[float] | None) -> None:
        if (mean is None) != (std is None) or (mean is not None and std is not None and len(mean) != len(std)):
            raise ValueError(f"Expected `mean` and `std` to be of equal length or both None, got {mean} and {std}.")
        # plain numbers, because NumPy's own cannot be written to YAML
        self.mean_values = None if mean is None else [float(value) for value in mean]
        self.std_values = None if std is None else [float(value) for value in std]
        if self.std_values is not None and not all(value > 0 for value in self.std_values):  # also false for a NaN
            raise ValueError(f"Expected `std` to be positive, got {self.std_values}.")
        self.mean = None if self.mean_values is None else _for_channels(self.mean_values)
        self.std = None if self.std_values is None else _for_channels(self.std_values)

    def restore(self, inputs: Tensor) -> Tensor:
        """Return the images in [0, 1], (N, C, H, W) float32.

        Args:
            inputs: floating point images (N, C, H, W) as the loader gives them.

        Raises:
            ValueError: the restored images are not in [0, 1], or `mean` has another number of channels; the error says
                which argument to set.
        """
        images = inputs.float()
        if self.mean is not None and self.std is not None:
            if len(self.mean) not in (1, images.shape[1]):
                raise ValueError(
                    f"Expected `mean` of SaliencyEvaluator to have {images.shape[1]} numbers, one for each channel of "
                    f"the images, got {len(self.mean)}."
                )
            images = images * self.std.to(images.device) + self.mean.to(images.device)
        low, high = float(images.min()), float(images.max())
        if not (low >= -TOLERANCE and high <= 1 + TOLERANCE):  # false for a NaN
            advice = "those of the loader's normalization" if self.mean is None else "other ones"
            raise ValueError(
                f"Expected images in [0, 1], got {low:.3g} to {high:.3g}. Set `mean` and `std` of SaliencyEvaluator to "
                f"{advice}, so that the images can be restored."
            )
        return images.clamp(0, 1)

    def apply(self, images: Tensor) -> Tensor:
        """Scale images in [0, 1] as the loader does, differentiably."""
        if self.mean is None or self.std is None:
            return images
        return (images - self.mean.to(images.device)) / self.std.to(images.device)


def _for_channels(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1)


class ExplainedModel(Prepared):
    """A classifying module behind the loader's normalization, with its own weights or others in their place.

    Other weights are in place only while the model is explained, forward and backward, so the module needs no copy and
    is the same afterwards. Whatever a module keeps besides weights and buffers (`get_extra_state`) is not replaced.

    Args:
        module: any module that maps images to logits, to a tuple that begins with them, or to a mapping or an object
            that holds `logits`.
        scale: how the loader scales images.
        state: weights and buffers that replace the module's own; None keeps its own.

    Raises:
        ValueError: the state does not fit the module.

    Example:
        >>> module = nn.Sequential(nn.Flatten(), nn.Linear(1, 2, bias=False))
        >>> weight = torch.tensor([[1.0], [3.0]])
        >>> ExplainedModel(module, ImageScale((0.5,), (0.5,)), {"1.weight": weight})(torch.ones(1, 1, 1, 1)).tolist()
        [[1.0, 3.0]]
    """

    def __init__(self, module: nn.Module, scale: ImageScale, state: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.module = module
        self.scale = scale
        self._weights = None if state is None else PlacedWeights(module, state)
        self._in_place = False
        # skip single numbers: the scale of the logits may have another type than the layers that take the images
        weights = (each for each in module.parameters() if each.is_floating_point() and each.ndim > 0)
        self._dtype = next((each.dtype for each in weights), torch.float32)

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """Put the other weights in place."""
        if self._weights is None or self._in_place:
            yield
            return
        self._in_place = True
        try:
            with self._weights.placed():
                yield
        finally:
            self._in_place = False

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, K) or (N,) for images (N, C, H, W) in [0, 1].

        Raises:
            TypeError: the module returns no logits.
        """
        # a module trained in true half or double precision accepts only its own type
        inputs = self.scale.apply(images).to(self._dtype)
        with self.prepared():
            return only_logits(self.module(inputs))

    def get_submodule(self, target: str) -> nn.Module:
        """Find a layer by its name in this wrapper, or else by its name in the user's module.

        Raises:
            AttributeError: there is no such layer.
        """
        try:
            return super().get_submodule(target)
        except AttributeError:
            return self.module.get_submodule(target)


class EitherClass(ExplainedModel):
    """Gives a classifier with one output z two logits: -z for class 0 and z for class 1.

    Example:
        >>> EitherClass(nn.Flatten(0), ImageScale(None, None))(torch.ones(1, 1, 1, 1)).tolist()
        [[-1.0, 1.0]]
    """

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, 2) for images (N, C, H, W) in [0, 1]."""
        output = super().forward(images)
        return torch.stack([-output, output], 1)


def only_logits(output: object) -> Tensor:
    """Take the logits out of what a model returns.

    Args:
        output: logits, a tuple or list that begins with them, or a mapping or object that holds `logits`.

    Returns:
        Logits (N, K), or (N,) for a binary classifier with one logit.

    Raises:
        TypeError: there is no tensor where logits are expected.

    Example:
        >>> only_logits((torch.zeros(2, 3), "features")).shape, only_logits(torch.zeros(2, 1)).shape
        (torch.Size([2, 3]), torch.Size([2]))
    """
    logits = output
    if isinstance(output, Mapping):
        logits = output.get("logits")
    elif hasattr(output, "logits"):
        logits = output.logits
    elif isinstance(output, Sequence) and output:
        logits = output[0]
    if not isinstance(logits, Tensor):
        raise TypeError(
            "Expected the model's `forward` to return logits, a tuple that begins with them or something that holds "
            f"`logits`, got {type(output).__name__}."
        )
    # a single column is the one logit of a binary classifier
    return logits[:, 0] if logits.ndim == 2 and logits.shape[1] == 1 else logits


def check_forward(module: LightningModule) -> None:
    """Raise a TypeError if the module defines no `forward`, because that is what gets explained."""
    if type(module).forward is LightningModule.forward:
        raise TypeError(
            f"Expected {type(module).__name__} to define `forward(images)`, which SaliencyEvaluator explains, got none."
        )
