"""The gradient of a logit with respect to the image, from which every gradient method is built."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from lightning_spx.attribution.alone import Neighbors
from lightning_spx.attribution.backward import evaluated_gradient
from lightning_spx.attribution.chunks import check_chunk_size, collected, in_chunks, one_each
from lightning_spx.attribution.finite import Check, FiniteCheck, require_finite
from lightning_spx.attribution.guards import Precision, check_precision, explaining
from lightning_spx.attribution.logits import explained_logits
from lightning_spx.attribution.memory import is_out_of_memory
from lightning_spx.attribution.method import Attribution, Model, checked
from lightning_spx.attribution.targets import Target, class_indices
from lightning_spx.guard.layer_names import module_of

# On a CPU, channels_last is a fifth faster for many pixels and up to three times slower for few, because the weights
# are laid out again for every chunk (measured).
PIXELS_FOR_CHANNELS_LAST = 2**18
# on a GPU, these are slow in that layout
NORMALISATIONS = (nn.BatchNorm2d, nn.SyncBatchNorm)


def input_gradient(
    model: Model,
    inputs: Tensor,
    target: Target,
    precision: Precision = "fp32",
    memory_format: torch.memory_format = torch.contiguous_format,
    check: Check = require_finite,
) -> Tensor:
    """Return the gradient of the target's logit with respect to the inputs, in a single chunk.

    Args:
        model: Any callable that returns `(N, K)` or `(N,)`.
        inputs: Floating point images, `(N, C, H, W)`.
        target: One class for all images, or `(N,)` integers; None if the model returns `(N,)`.
        precision: "fp32", or "bf16" for bfloat16 autocast.
        memory_format: The memory layout in which the model gets the images.
        check: Raises for values that are not finite.

    Returns:
        Gradient of the shape of `inputs`, detached, float32.

    Raises:
        TypeError: If the model's output is not a tensor.
        ValueError: As in `explained_logits` and `differentiate`.

    Example:
        >>> input_gradient(lambda x: (x**2).sum((1, 2, 3)), torch.tensor([[[[3.0]]]]), None)
        tensor([[[[6.]]]])
    """
    chosen = class_indices(target, len(inputs))
    return _gradient_and_logits(model, inputs, chosen, precision, memory_format, check)[0]


def _gradient_and_logits(
    model: Model,
    inputs: Tensor,
    target: Tensor | None,
    precision: Precision,
    memory_format: torch.memory_format,
    check: Check,
) -> tuple[Tensor, Tensor]:
    with explaining(model, inputs.device, precision) as network:

        def evaluate() -> tuple[Tensor, Tensor]:
            # an inference tensor becomes an ordinary one by cloning it outside inference mode
            variable = inputs.detach().clone(memory_format=memory_format).requires_grad_()
            # a copy, because a model may write to its input (`x.sub_(mean)`), which autograd forbids for a leaf
            return explained_logits(network, variable.clone(), target, check), variable

        gradient, logits, _ = evaluated_gradient(evaluate, check)
        return gradient, logits.detach()


def gradients_at(
    method: str,
    model: Model,
    points: Iterable[tuple[int, Tensor]],
    target: Tensor | None,
    precision: Precision = "fp32",
    chunk_size: int | None = None,
    neighbors: bool = True,
) -> Iterator[tuple[int, Tensor]]:
    """Yield the gradient of the target's logit with respect to each of a stream of points.

    Large chunks on a CPU, and bfloat16 on a GPU if the model is a module without batch normalization, use the layout
    `torch.channels_last`, in which convolutions are faster. It changes a gradient by no more than rounding does. A
    model that cannot cope with it (`view` on a feature map) is evaluated without. Nothing waits for the device between
    two chunks.

    Args:
        method: Name of the attribution method, for messages.
        model: Any callable that returns `(N, K)` or `(N,)`.
        points: Pairs of an image's position in the batch and points of it, `(k, C, H, W)`; consumed as needed.
        target: Class indices of the batch, `(N,)` int64; None if the model returns `(N,)`.
        precision: "fp32", or "bf16" for bfloat16 autocast.
        chunk_size: Points evaluated at once; None chooses by their size and the free memory.
        neighbors: Whether to check in the first chunk that the model evaluates each point independently.

    Yields:
        The position and gradients `(k, C, H, W)`, detached, float32, in the order of `points`, as many at a time as
        were evaluated together.

    Raises:
        TypeError: If the model's output is not a tensor.
        ValueError: As in `explained_logits` and `differentiate`, and if a logit depends on the rest of the batch.

    Example:
        >>> points = [(0, torch.tensor([[[[3.0]]]]))]
        >>> [gradient.item() for _, gradient in gradients_at("", lambda x: (x**2).sum((1, 2, 3)), points, None)]
        [6.0]
    """
    stream = iter(points)
    first = next(stream, None)
    if first is None:
        return
    check = FiniteCheck(method, at_once=first[1].device.type == "cpu")
    layout: torch.memory_format | None = None
    alone = Neighbors(model, precision, at_once=check.at_once) if neighbors else None

    def evaluate(inputs: Tensor, chosen: Tensor | None) -> Tensor:
        gradient, logits = differentiated(inputs, chosen)
        if alone is not None:
            alone.look(inputs, chosen, logits)
        return gradient

    def differentiated(inputs: Tensor, chosen: Tensor | None) -> tuple[Tensor, Tensor]:
        nonlocal layout
        fastest = layout or _fastest_layout(model, inputs, precision)
        if fastest is not torch.contiguous_format:
            try:
                return _gradient_and_logits(model, inputs, chosen, precision, fastest, check)
            except RuntimeError as error:
                if is_out_of_memory(error):
                    raise
            # this chunk and all others
            layout = torch.contiguous_format
            check.belongs_to([])
        return _gradient_and_logits(model, inputs, chosen, precision, torch.contiguous_format, check)

    yield from in_chunks(method, evaluate, chain([first], stream), target, chunk_size, check)
    if alone is not None:
        alone.finish()


def _fastest_layout(model: Model, inputs: Tensor, precision: Precision) -> torch.memory_format:
    if inputs.device.type == "cpu":
        gains = inputs[:, 0].numel() >= PIXELS_FOR_CHANNELS_LAST
    else:
        module = module_of(model) if precision == "bf16" else None
        gains = module is not None and not any(isinstance(part, NORMALISATIONS) for part in module.modules())
    return torch.channels_last if gains else torch.contiguous_format


@dataclass(frozen=True)
class Gradient(Attribution):
    """The gradient of the target's logit with respect to the image.

    Source: Simonyan et al., Deep Inside Convolutional Networks, ICLR Workshop 2014.

    Args:
        precision: "fp32", also inside mixed-precision training, or "bf16" for bfloat16 autocast.
        chunk_size: Images evaluated at once; None chooses by their size. The number is halved when memory runs out.

    Example:
        >>> Gradient().attribute(lambda x: 3 * x.flatten(1), torch.ones(1, 1, 1, 2), target=1)
        tensor([[[[0., 3.]]]])
    """

    precision: Precision = "fp32"
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        check_precision(self.precision)
        check_chunk_size(self.chunk_size)

    def attribute(self, model: Model, inputs: Tensor, target: Target) -> Tensor:
        """Return the gradient, `(N, C, H, W)`."""
        inputs, target = checked(inputs, target)
        return collected(self.attribute_points(model, one_each(inputs), target), inputs)

    def attribute_points(
        self, model: Model, points: Iterable[tuple[int, Tensor]], target: Tensor | None
    ) -> Iterator[tuple[int, Tensor]]:
        """Yield the gradient at each point; once halved, the chunk size stays halved for the rest of the stream."""
        return gradients_at("Gradient", model, points, target, self.precision, self.chunk_size)


@dataclass(frozen=True)
class InputXGradient(Attribution):
    """The image times the gradient of the target's logit.

    Source: Shrikumar et al., Not Just a Black Box, arXiv 2016.

    Args:
        precision: "fp32", also inside mixed-precision training, or "bf16" for bfloat16 autocast.
        chunk_size: Images evaluated at once; None chooses by their size. The number is halved when memory runs out.

    Example:
        >>> InputXGradient().attribute(lambda x: 3 * x.flatten(1), torch.full((1, 1, 1, 2), 2.0), torch.tensor([1]))
        tensor([[[[0., 6.]]]])
    """

    precision: Precision = "fp32"
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        check_precision(self.precision)
        check_chunk_size(self.chunk_size)

    def attribute(self, model: Model, inputs: Tensor, target: Target) -> Tensor:
        """Return image times gradient, `(N, C, H, W)`."""
        inputs, target = checked(inputs, target)
        gradients = gradients_at("InputXGradient", model, one_each(inputs), target, self.precision, self.chunk_size)
        return collected(((image, inputs[image] * rows) for image, rows in gradients), inputs)
