"""The one backward pass under every gradient method, also through half precision and activation checkpointing."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.autograd.graph import Node

from lightning_spx.attribution.finite import Check, require_finite

# Powers of two by which a logit is multiplied where its gradient passes through float16, which ends at 2**16: from the
# largest down, until nothing overflows
LARGEST_EXPONENT = 15
SMALLEST_EXPONENT = -10
EXPONENT_STEP = 5
REENTRANT_CHECKPOINT = "CheckpointFunctionBackward"


def differentiate(
    logits: Tensor, variable: Tensor, check: Check = require_finite, exponents: Sequence[int] | None = None
) -> Tensor:
    """Return the gradient of each image's logit with respect to its row of `variable`: the only autograd call.

    Args:
        logits: One value for each image, `(N,)`.
        variable: What the logits were computed from, `(N, ...)`.
        check: Refuses values that are not finite.
        exponents: Of powers of two, one for each image, by which its logit is multiplied before the backward pass and
            its gradient divided after it; None for no scaling.

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
    # the logit of an image depends on no other image, so the gradient of the sum holds the gradient of each
    total = logits.sum() if scale is None else (logits * scale).sum()
    gradient = _gradient(total, variable) if logits.requires_grad else None
    if gradient is None:
        raise ValueError("Expected a model whose output is a differentiable function of its input, got another one.")
    gradient = gradient.detach().float()
    if scale is not None:
        gradient = gradient / scale.to(gradient).view(-1, *[1] * (gradient.ndim - 1))
    check(gradient, "gradient")
    return gradient


def evaluated_gradient(
    evaluate: Callable[[], tuple[Tensor, Tensor]], check: Check = require_finite
) -> tuple[Tensor, Tensor, Tensor]:
    """Evaluate a model and differentiate it, again with a smaller scale where float16 overflows on the way back.

    The gradient of a pixel of a large image lies below what float16 can hold, and would be zero. A power of two is
    exact, so a scale changes nothing but that; each image has its own, which depends on no other image.

    Args:
        evaluate: Returns the logits `(N,)` and the variable `(N, ...)` that they were computed from.
        check: Refuses values that are not finite.

    Returns:
        The gradient, float32, and the logits and the variable of the last evaluation.

    Raises:
        ValueError: As `differentiate`.

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
    """Whether the way back from the logits passes a tensor of type float16.

    Example:
        >>> x = torch.ones(1, requires_grad=True)
        >>> passes_float16(2 * x), passes_float16((2 * x.half()).float())
        (False, True)
    """
    return any(each.dtype == torch.float16 for node in _nodes(logits.grad_fn) for each in node._input_metadata)


def _gradient(total: Tensor, variable: Tensor) -> Tensor | None:
    if not any(node.name() == REENTRANT_CHECKPOINT for node in _nodes(total.grad_fn)):
        return torch.autograd.grad(total, variable, allow_unused=True)[0]
    # its inner backward passes know nothing of `variable`, so the gradient has to be taken from where it is left
    variable.retain_grad()
    torch.autograd.backward(total)
    gradient, variable.grad = variable.grad, None
    return gradient


def _nodes(root: Node | None) -> list[Node]:
    waiting = [] if root is None else [root]
    reached = dict.fromkeys(waiting)
    while waiting:
        for node, _ in waiting.pop().next_functions:
            if node is not None and node not in reached:
                reached[node] = None
                waiting.append(node)
    return list(reached)


def _anything(_: Tensor, __: str) -> None:
    """Check nothing, as what is not finite is tried again."""
