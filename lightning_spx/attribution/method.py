"""Defines what an attribution method is: the constructor takes settings, the call takes the model."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from lightning_spx.attribution.chunks import in_chunks
from lightning_spx.attribution.targets import Target, class_indices

Model = Callable[[Tensor], Tensor]


class Attribution(ABC):
    """Explains one output of a model by a signed value for each value of its input.

    One object serves many models. It works in fit, validate, test and predict of Lightning, inside `torch.no_grad` and
    `torch.inference_mode`, and leaves parameters, `.grad`, buffers, train/eval flags and the global random state as
    they were. The model is explained in eval mode.

    Attributes:
        non_negative: True if no result is below zero, so that pooling before and after the absolute value is the same.

    Example:
        >>> class Brightness(Attribution):
        ...     def attribute(self, model, inputs, target):
        ...         return inputs.detach().float()
        >>> Brightness().attribute(lambda x: x.flatten(1), torch.full((1, 1, 1, 1), 0.5), torch.tensor([0]))
        tensor([[[[0.5000]]]])
    """

    non_negative: ClassVar[bool] = False

    @abstractmethod
    def attribute(self, model: Model, inputs: Tensor, target: Tensor | None) -> Tensor:
        """Explain the raw logit of `target`.

        The methods of this package also take `target` as one integer for all images, as a list or as an array.

        Each call's output is explained, even if the next call would give the same image another one. Errors that the
        model raises pass through unchanged, with two exceptions: if memory runs out, fewer images are tried first; and
        `FromCaptum` cannot always tell a RuntimeError of the model from one of captum's.

        Args:
            model: Any callable from `(N, C, H, W)` to `(N, K)` or `(N,)`.
            inputs: Floating point images, `(N, C, H, W)`.
            target: The class to explain, `(N,)` int64; None if the model returns `(N,)`.

        Returns:
            Signed attribution of the shape of `inputs`, detached, float32.

        Raises:
            TypeError: If `inputs` or the output is not a floating point tensor, or `target` does not hold integers.
            ValueError: If a shape does not fit, `target` is out of range, or an output or gradient is NaN or infinite;
                the message then names the method and the positions of the images in the batch.
        """

    def attribute_points(
        self, model: Model, points: Iterable[tuple[int, Tensor]], target: Tensor | None
    ) -> Iterator[tuple[int, Tensor]]:
        """Explain a stream of points without ever holding all of them in memory.

        Args:
            model: As in `attribute`.
            points: Pairs of an image's position in the batch and points `(k, C, H, W)` of it, such as noisy copies.
            target: As in `attribute`, for the images of the batch.

        Yields:
            The position and the attributions `(k, C, H, W)` of points, in the order of `points`, as many at a time as
            were evaluated together.
        """

        def evaluate(inputs: Tensor, chosen: Tensor | None) -> Tensor:
            return self.attribute(model, inputs, chosen)

        return in_chunks(type(self).__name__, evaluate, points, target)


def checked(inputs: Tensor, target: Target) -> tuple[Tensor, Tensor | None]:
    """Refuse inputs that cannot be explained, and detach them.

    Args:
        inputs: Floating point images, `(N, C, H, W)`.
        target: As in `class_indices`.

    Returns:
        The images in float32 or better, and the target on the CPU, where reading it waits for no device.

    Raises:
        TypeError: If `inputs` is not a floating point tensor or `target` does not hold integers.
        ValueError: If a shape does not fit.
    """
    if not isinstance(inputs, Tensor) or not inputs.is_floating_point():
        kind = inputs.dtype if isinstance(inputs, Tensor) else type(inputs).__name__
        raise TypeError(f"Expected `inputs` to be a floating point tensor, got {kind}{_advice(inputs)}.")
    if inputs.ndim != 4:
        # a map of each image could be told from an image of several channels neither here nor later
        advice = ": give one image as a batch, inputs[None]" if inputs.ndim == 3 else ""
        raise ValueError(f"Expected `inputs` of shape (N, C, H, W), got {tuple(inputs.shape)}{advice}.")
    inputs = inputs.detach().to(torch.promote_types(inputs.dtype, torch.float32))
    return inputs, class_indices(target, len(inputs))


def _advice(inputs: object) -> str:
    if isinstance(inputs, Tensor):
        return ": scale it as in training, such as inputs / 255 for 8 bits"
    return ": give torch.from_numpy(inputs), with the channels first" if isinstance(inputs, np.ndarray) else ""
