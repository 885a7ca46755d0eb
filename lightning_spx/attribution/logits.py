"""Selects the logit to explain from a model's output."""

import warnings

import torch
from torch import Tensor

from lightning_spx.attribution.finite import Check, require_finite
from lightning_spx.attribution.method import Model
from lightning_spx.guard import are_probabilities, between_zero_and_one
from lightning_spx.guard.layer_names import users_name
from lightning_spx.guard.model_output import read_output
from lightning_spx.guard.outputs import FEW_IMAGES, SPREAD

# how the assertion error of a `torch.export` module begins
EXPORTED = "Guard failed: "


def answer(model: Model, images: Tensor) -> object:
    """Call a model, with a clear error if it was exported for another batch size.

    Raises:
        ValueError: If it was exported for another batch size.

    Example:
        >>> answer(torch.neg, torch.ones(1))
        tensor([-1.])
    """
    try:
        return model(images)
    except AssertionError as error:
        if EXPORTED not in str(error):
            raise
        raise ValueError(
            f"Expected a model that takes a batch of shape {tuple(images.shape)}, got one that was exported for "
            f"others ({error}): export it with a dynamic batch size, or set `chunk_size` to the one that it has."
        ) from error


def explained_logits(model: Model, inputs: Tensor, target: Tensor | None, check: Check = require_finite) -> Tensor:
    """Evaluate the model and select the logit to explain.

    Args:
        model: Any callable that returns `(N, K)` or `(N,)`, a tuple that begins with it, or what holds it as `logits`.
        inputs: Images, `(N, C, H, W)`.
        target: Class indices, `(N,)` int64, preferably on the CPU; None if the model returns `(N,)`.
        check: Raises for values that are not finite.

    Returns:
        Raw logits, `(N,)`, in float32 or better.

    Raises:
        TypeError: If the output is not a floating point tensor.
        ValueError: If its shape does not fit, it is not finite, or `target` is missing, out of range or given for a
            model that returns `(N,)`.

    Example:
        >>> explained_logits(lambda x: x.flatten(1), torch.arange(4.0).reshape(2, 1, 1, 2), torch.tensor([1, 0]))
        tensor([1., 2.])
    """
    output = checked_output(model, inputs, check)
    chosen = chosen_logits(output, target)
    _warn_of_probabilities(model, output)
    return chosen


def checked_output(model: Model, inputs: Tensor, check: Check = require_finite) -> Tensor:
    """Evaluate the model and return all its logits, `(N, K)` or `(N,)`, in float32 or better.

    Raises:
        TypeError: As in `explained_logits`.
        ValueError: If the shape does not fit, or the output is not finite.

    Example:
        >>> checked_output(lambda x: x.flatten(1), torch.zeros(1, 1, 1, 2))
        tensor([[0., 0.]])
    """
    output = read_output(answer(model, inputs))
    if not output.is_floating_point():
        raise TypeError(f"Expected the model to return floating point logits, got {output.dtype}.")
    if output.ndim not in (1, 2) or len(output) != len(inputs) or 0 in output.shape[1:]:
        raise ValueError(
            f"Expected the model to return shape (N, K) or (N,) with N = {len(inputs)}, got {tuple(output.shape)}."
        )
    check(output[:, None], "model output")
    return output.to(torch.promote_types(output.dtype, torch.float32))


def chosen_logits(output: Tensor, target: Tensor | None) -> Tensor:
    """Select the logit to explain from all logits of a model.

    Raises:
        ValueError: If `target` is missing, out of range or given for a model that returns `(N,)`.

    Example:
        >>> chosen_logits(torch.tensor([[1.0, -2.0]]), torch.tensor([1]))
        tensor([-2.])
    """
    if output.ndim == 1:
        if target is not None:
            raise ValueError(f"Expected `target` to be None for a model that returns (N,), got {target.tolist()}.")
        return output
    if target is None:
        raise ValueError(f"Expected a `target` for a model that returns (N, {output.shape[1]}), got None.")
    beyond = target[(target < 0) | (target >= output.shape[1])]
    if len(beyond):
        raise ValueError(f"Expected `target` to be at least 0 and below {output.shape[1]}, got {int(beyond[0])}.")
    # cloned, because a tensor from inference mode cannot be saved for the backward pass
    chosen = target.clone()[:, None].to(output.device, non_blocking=True)
    return output.gather(1, chosen)[:, 0]


def _warn_of_probabilities(model: Model, output: Tensor) -> None:
    """Warn if outputs (N, K) or (N,) are probabilities, or look like probabilities for a few images."""
    # reading values would wait for a GPU
    if output.device.type != "cpu":
        return
    if output.ndim == 2 and output.shape[1] > 1 and bool(are_probabilities(output).all()):
        said, last = "are probabilities, not negative and with the sum 1", "softmax"
    elif len(output) >= FEW_IMAGES and bool(
        between_zero_and_one(output).all() & (output.max() - output.min() >= SPREAD)
    ):
        said, last = "look like probabilities, as all of them lie in [0, 1]", "sigmoid"
    else:
        return
    warnings.warn(
        f"The outputs of {users_name(model)} {said}: their gradients are explained, and vanish where it is sure. "
        f"Give the model without its {last}.",
        stacklevel=4,
    )
