"""The backward pass of every gradient method, which also handles half precision and activation checkpointing."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.autograd.graph import Node

from lightning_spx.attribution.finite import Check, require_finite

# A logit is multiplied by a power of two if its gradient passes through float16, which ends at 2**16: from this
# exponent down, until nothing overflows
LARGEST_EXPONENT = 15
SMALLEST_EXPONENT = -10
EXPONENT_STEP = 5
REENTRANT_CHECKPOINT = "CheckpointFunctionBackward"


def differentiate(
    logits: Tensor, variable: Tensor, check: Check = require_finite, exponents: Sequence[int] | None = None
) -> Tensor:
    """Return the gradient of each image's logit with respect to its row of `variable`: the only autograd call.

    Args:
        logits: One value per image, `(N,)`.
        variable: The tensor from which the logits were computed, `(N, ...)`.
        check: Raises for values that are not finite.
        exponents: One exponent of two per image. Its logit is multiplied by this power before the backward pass and its
            gradient divided by it afterwards. None for no scaling.

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
    scale = None if exponents is None else logits.new_tensor([2.0**exponent for exponent in exponents])
    # an image's logit depends on no other image, so the gradient of the sum contains the gradient of each
    total = logits.sum() if scale is None else (logits * scale).sum()
    gradient = _gradient(total, variable) if logits.requires_grad else None
    if gradient is None:
        raise ValueError("Expected a model whose output is a differentiable function of its input, got another.")
    gradient = gradient.detach().float()
    if scale is not None:
        gradient = gradient / scale.to(gradient).view(-1, *[1] * (gradient.ndim - 1))
    check(gradient, "gradient")
    return gradient


def evaluated_gradient(
    evaluate: Callable[[], tuple[Tensor, Tensor]], check: Check = require_finite
) -> tuple[Tensor, Tensor, Tensor]:
    """Evaluate a model and differentiate it; repeat with a smaller scale if float16 overflows in the backward pass.

    Without a scale, the gradient of a pixel of a large image would be too small for float16 and become zero. Scaling by
    a power of two is exact and changes nothing else; the scale of an image depends on no other image.

    Args:
        evaluate: Returns the logits `(N,)` and the variable `(N, ...)` that they were computed from.
        check: Raises for values that are not finite.

    Returns:
        The gradient, float32, and the logits and the variable of the last evaluation.

    Raises:
        ValueError: As in `differentiate`.

    Example:
        >>> x = torch.full((1, 1), 2.0, dtype=torch.float16, requires_grad=True)
        >>> evaluated_gradient(lambda: ((x * 2**-20)[:, 0] * 2**-5, x))[0].log2()
        tensor([[-25.]])
    """
    logits, variable = evaluate()
    if not passes_float16(logits):
        return differentiate(logits, variable, check), logits, variable
    exponents = [LARGEST_EXPONENT] * len(logits)
    while True:
        gradient = differentiate(logits, variable, _anything, exponents)
        finite = gradient.isfinite().flatten(1).all(1).tolist()
        lowered = [
            exponent if good else max(SMALLEST_EXPONENT, exponent - EXPONENT_STEP)
            for exponent, good in zip(exponents, finite, strict=True)
        ]
        if lowered == exponents:
            break
        exponents = lowered
        logits, variable = evaluate()
    check(gradient, "gradient")
    return gradient, logits, variable


def passes_float16(logits: Tensor) -> bool:
    """Return whether the backward pass from the logits goes through a float16 tensor.

    Example:
        >>> x = torch.ones(1, requires_grad=True)
        >>> passes_float16(2 * x), passes_float16((2 * x.half()).float())
        (False, True)
    """
    return any(each.dtype == torch.float16 for node in nodes_behind(logits.grad_fn) for each in node._input_metadata)


def _gradient(total: Tensor, variable: Tensor) -> Tensor | None:
    if not any(node.name() == REENTRANT_CHECKPOINT for node in nodes_behind(total.grad_fn)):
        return torch.autograd.grad(total, variable, allow_unused=True)[0]
    # the inner backward passes do not know `variable`, so its gradient must be read from `.grad`
    variable.retain_grad()
    torch.autograd.backward(total)
    gradient, variable.grad = variable.grad, None
    return gradient


def nodes_behind(root: Node | None) -> list[Node]:
    """Return every node of the graph that a backward pass from `root` goes through, each once.

    Example:
        >>> x = torch.ones(1, requires_grad=True)
        >>> [node.name() for node in nodes_behind((2 * x).relu().grad_fn)]
        ['ReluBackward0', 'MulBackward0', 'torch::autograd::AccumulateGrad']
    """
    waiting = [] if root is None else [root]
    reached = dict.fromkeys(waiting)
    while waiting:
        for node, _ in waiting.pop().next_functions:
            if node is not None and node not in reached:
                reached[node] = None
                waiting.append(node)
    return list(reached)


def _anything(_: Tensor, __: str) -> None:
    """Check nothing: values that are not finite lead to another attempt."""
