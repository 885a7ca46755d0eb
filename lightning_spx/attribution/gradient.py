"""The gradient of a logit with respect to the image: the leaf under every gradient method."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lightning_spx.attribution.chunks import check_chunk_size, collected, in_chunks, one_each
from lightning_spx.attribution.finite import FiniteCheck, require_finite
from lightning_spx.attribution.folding import NormalisationFolding
from lightning_spx.attribution.guards import Precision, check_precision, explaining, is_compiled, module_of
from lightning_spx.attribution.memory import is_out_of_memory
from lightning_spx.attribution.method import Attribution, Model, checked

# Measured on a CPU: a fifth faster for many pixels, and up to three times slower for few, as the weights are laid out
# anew for every chunk.
PIXELS_FOR_CHANNELS_LAST = 2**18
# Two, because some models squeeze the batch away where it has one image
POINTS_OBSERVED = 2
NORMALISATIONS = (nn.BatchNorm2d, nn.SyncBatchNorm)

Check = Callable[[Tensor, str], None]


def explained_logits(model: Model, inputs: Tensor, target: Tensor | None, check: Check = require_finite) -> Tensor:
    """Evaluate the model and select the logit that is explained.

    Args:
        model: Any callable to `(N, K)` or `(N,)`.
        inputs: Images, `(N, C, H, W)`.
        target: Class indices, `(N,)` int64, best on the CPU; None if the model returns `(N,)`.
        check: Refuses values that are not finite.

    Returns:
        Raw logits, `(N,)`, in float32 or better.

    Raises:
        TypeError: If the output is not a floating point tensor.
        ValueError: If its shape does not fit, it is not finite, or `target` is missing, out of range or not wanted.

    Example:
        >>> explained_logits(lambda x: x.flatten(1), torch.arange(4.0).reshape(2, 1, 1, 2), torch.tensor([1, 0]))
        tensor([1., 2.])
    """
    output = model(inputs)
    if not isinstance(output, Tensor):
        raise TypeError(f"Expected the model to return a tensor of shape (N, K) or (N,), got {type(output).__name__}.")
    if not output.is_floating_point():
        raise TypeError(f"Expected the model to return floating point logits, got {output.dtype}.")
    if output.ndim not in (1, 2) or len(output) != len(inputs) or 0 in output.shape[1:]:
        raise ValueError(
            f"Expected the model to return shape (N, K) or (N,) with N = {len(inputs)}, got {tuple(output.shape)}."
        )
    check(output[:, None], "model output")
    output = output.to(torch.promote_types(output.dtype, torch.float32))
    if output.ndim == 1:
        if target is not None:
            raise ValueError("Expected `target` to be None for a model that returns (N,), got a tensor.")
        return output
    if target is None:
        raise ValueError(f"Expected a `target` for a model that returns (N, {output.shape[1]}), got None.")
    beyond = target[(target < 0) | (target >= output.shape[1])]
    if len(beyond):
        raise ValueError(f"Expected `target` to be at least 0 and below {output.shape[1]}, got {int(beyond[0])}.")
    # a target that was made in inference mode cannot be saved for the backward pass
    chosen = target.clone()[:, None].to(output.device, non_blocking=True)
    return output.gather(1, chosen)[:, 0]


def differentiate(logits: Tensor, variable: Tensor, check: Check = require_finite) -> Tensor:
    """Return the gradient of each image's logit with respect to its row of `variable`: the only autograd call.

    Args:
        logits: One value for each image, `(N,)`.
        variable: What the logits were computed from, `(N, ...)`.
        check: Refuses values that are not finite.

    Returns:
        Gradient of the shape of `variable`, detached, float32.

    Raises:
        ValueError: If the logits do not depend on `variable`, or the gradient is not finite.

    Example:
        >>> x = torch.tensor([[1.0], [2.0]], requires_grad=True)
        >>> differentiate((x**2)[:, 0], x)
        tensor([[2.],
                [4.]])
    """
    # the logit of an image depends on no other image, so the gradient of the sum holds the gradient of each
    gradient = torch.autograd.grad(logits.sum(), variable, allow_unused=True)[0] if logits.requires_grad else None
    if gradient is None:
        raise ValueError("Expected a model whose output is a differentiable function of its input, got another one.")
    check(gradient, "gradient")
    return gradient.detach().float()


def input_gradient(
    model: Model,
    inputs: Tensor,
    target: Tensor | None,
    precision: Precision = "fp32",
    memory_format: torch.memory_format = torch.contiguous_format,
    check: Check = require_finite,
    evaluation: AbstractContextManager[None] | None = None,
) -> Tensor:
    """Return the gradient of the target's logit with respect to the inputs, all at once.

    Args:
        model: Any callable to `(N, K)` or `(N,)`.
        inputs: Floating point images, `(N, C, H, W)`.
        target: Class indices, `(N,)` int64; None if the model returns `(N,)`.
        precision: "fp32", or "bf16" for bfloat16 autocast.
        memory_format: How the images are laid out for the model.
        check: Refuses values that are not finite.
        evaluation: Context in which the model is called.

    Returns:
        Gradient of the shape of `inputs`, detached, float32.

    Raises:
        TypeError: If the model's output is not a tensor.
        ValueError: As `explained_logits` and `differentiate`.

    Example:
        >>> input_gradient(lambda x: (x**2).sum((1, 2, 3)), torch.tensor([[[[3.0]]]]), None)
        tensor([[[[6.]]]])
    """
    with explaining(model, inputs.device, precision) as network:
        # an inference tensor becomes an ordinary one by cloning it outside inference mode
        variable = inputs.detach().clone(memory_format=memory_format).requires_grad_()
        with evaluation or nullcontext():
            logits = explained_logits(network, variable, target, check)
        return differentiate(logits, variable, check)


def gradients_at(
    method: str,
    model: Model,
    points: Iterable[tuple[int, Tensor]],
    target: Tensor | None,
    precision: Precision = "fp32",
    chunk_size: int | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """Yield the gradient of the target's logit with respect to each of a stream of points.

    Where there are several chunks, batch normalisations are folded into the convolutions before them, as the model is
    seen to use them with two of the points. Large chunks on a CPU, and bfloat16 on a GPU where no such normalisation is
    left, have their channels side by side (`torch.channels_last`), in which convolutions compute faster. Either changes
    a gradient by as much as the precision rounds it. A model that cannot do with them (`view` on a feature map) is
    evaluated as it is. Between two chunks nothing waits for the device.

    Args:
        method: Name of the attribution method, for messages.
        model: Any callable to `(N, K)` or `(N,)`.
        points: An image's position in the batch and points of it, `(k, C, H, W)`; taken only as they are needed.
        target: Class indices of the batch, `(N,)` int64; None if the model returns `(N,)`.
        precision: "fp32", or "bf16" for bfloat16 autocast.
        chunk_size: Points evaluated at once; None chooses from their size and the free memory.

    Yields:
        The position and gradients `(k, C, H, W)`, detached, float32, in the order of `points`, as many at a time as
        were evaluated together.

    Raises:
        TypeError: If the model's output is not a tensor.
        ValueError: As `explained_logits` and `differentiate`.

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
    ended = False

    def watched() -> Iterator[tuple[int, Tensor]]:
        nonlocal ended
        yield first
        yield from stream
        ended = True

    folding: NormalisationFolding | None = None
    refused = False

    def evaluate(inputs: Tensor, chosen: Tensor | None) -> Tensor:
        nonlocal folding, refused
        if folding is None:
            # one chunk alone would not pay for being looked at
            folding = NormalisationFolding() if ended else _observed(model, inputs[:POINTS_OBSERVED], precision)
        if not refused:
            layout = _fastest_layout(inputs, precision, folding)
            try:
                return input_gradient(model, inputs, chosen, precision, layout, check, folding.evaluation())
            except RuntimeError as error:
                if (folding.num_folded == 0 and layout is torch.contiguous_format) or is_out_of_memory(error):
                    raise
            refused = True
            check.belongs_to([])
        return input_gradient(model, inputs, chosen, precision, check=check)

    yield from in_chunks(method, evaluate, watched(), target, chunk_size, check)


def _observed(model: Model, images: Tensor, precision: Precision) -> NormalisationFolding:
    if is_compiled(model):
        # what was compiled would be taken apart again by looking at its calls
        return NormalisationFolding()
    module = module_of(model)
    if module is not None and not any(isinstance(part, NORMALISATIONS) for part in module.modules()):
        return NormalisationFolding(num_left=0)
    try:
        with explaining(model, images.device, precision) as network:
            return NormalisationFolding.observed(network, images)
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        # what is wrong with the model, if anything, its evaluation tells
        return NormalisationFolding()


def _fastest_layout(inputs: Tensor, precision: Precision, folding: NormalisationFolding) -> torch.memory_format:
    if inputs.device.type == "cpu":
        gains = inputs[:, 0].numel() >= PIXELS_FOR_CHANNELS_LAST
    else:
        # normalisation itself is slow in this layout on a GPU
        gains = precision == "bf16" and folding.num_left == 0
    return torch.channels_last if gains else torch.contiguous_format


@dataclass(frozen=True)
class Gradient(Attribution):
    """The gradient of the target's logit with respect to the image.

    Source: Simonyan et al., Deep Inside Convolutional Networks, 2014.

    Args:
        precision: "fp32", also inside mixed-precision training, or "bf16" for bfloat16 autocast.
        chunk_size: Images evaluated at once; None chooses from their size. Halved when memory runs out.

    Example:
        >>> Gradient().attribute(lambda x: 3 * x.flatten(1), torch.ones(1, 1, 1, 2), torch.tensor([1]))
        tensor([[[[0., 3.]]]])
    """

    precision: Precision = "fp32"
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        """Refuse settings that make no sense."""
        check_precision(self.precision)
        check_chunk_size(self.chunk_size)

    def attribute(self, model: Model, inputs: Tensor, target: Tensor | None) -> Tensor:
        """Return the gradient, `(N, C, H, W)`."""
        inputs, target = checked(inputs, target)
        return collected(self.attribute_points(model, one_each(inputs), target), inputs)

    def attribute_points(
        self, model: Model, points: Iterable[tuple[int, Tensor]], target: Tensor | None
    ) -> Iterator[tuple[int, Tensor]]:
        """Yield the gradient at each point; a chunk that was halved stays so for the rest of the stream."""
        return gradients_at("Gradient", model, points, target, self.precision, self.chunk_size)


@dataclass(frozen=True)
class InputXGradient(Attribution):
    """The image times the gradient of the target's logit.

    Source: Shrikumar et al., Not Just a Black Box, 2016.

    Args:
        precision: "fp32", also inside mixed-precision training, or "bf16" for bfloat16 autocast.
        chunk_size: Images evaluated at once; None chooses from their size. Halved when memory runs out.

    Example:
        >>> InputXGradient().attribute(lambda x: 3 * x.flatten(1), torch.full((1, 1, 1, 2), 2.0), torch.tensor([1]))
        tensor([[[[0., 6.]]]])
    """

    precision: Precision = "fp32"
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        """Refuse settings that make no sense."""
        check_precision(self.precision)
        check_chunk_size(self.chunk_size)

    def attribute(self, model: Model, inputs: Tensor, target: Tensor | None) -> Tensor:
        """Return image times gradient, `(N, C, H, W)`."""
        inputs, target = checked(inputs, target)
        gradients = gradients_at("InputXGradient", model, one_each(inputs), target, self.precision, self.chunk_size)
        return collected(((image, inputs[image] * rows) for image, rows in gradients), inputs)
