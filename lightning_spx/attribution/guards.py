"""Prepares a model for being explained, wherever the call comes from, and leaves it as it was."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from lightning_spx.guard import unchanged

Precision = Literal["fp32", "bf16"]
HALF = (torch.float16, torch.bfloat16)


def check_precision(precision: str) -> None:
    """Raise ValueError unless `precision` is "fp32" or "bf16"."""
    if precision not in ("fp32", "bf16"):
        raise ValueError(f"Expected `precision` to be 'fp32' or 'bf16', got {precision!r}.")


@contextmanager
def explaining(
    model: Callable[[Tensor], Tensor], device: torch.device, precision: Precision, parameters: bool = False
) -> Iterator[Callable[[Tensor], Tensor]]:
    """Enable gradients, set mixed precision to `precision`, the model to eval mode and its parameters to constants.

    On leaving, also by an exception, everything is restored: see `unchanged`.

    Args:
        model: Any callable.
        device: The device of the inputs.
        precision: "fp32" switches autocast off, also inside mixed-precision training; "bf16" switches it on.
        parameters: Whether to copy large parameters too, for a caller who writes to them and back.

    Yields:
        The callable to explain: `model` without its DistributedDataParallel wrapper.
    """
    if not callable(model) or isinstance(model, type):
        got = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        raise TypeError(f"Expected `model` to be a network or another callable, got {got}.")
    if isinstance(model, DistributedDataParallel):
        # the wrapper's forward would send buffers between processes and wait for gradients that never come
        model = model.module
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        # inside an outer autocast the cache outlives this block and does not know to which type it cast
        torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16", cache_enabled=False),
        unchanged(model, device, parameters) as kept,
        _constant(kept.modules),
    ):
        try:
            yield model
        except RuntimeError as error:
            # an attribution is float32, and so are the images that the model gets
            weights = {str(each.dtype) for part in kept.modules for each in part.parameters() if each.dtype in HALF}
            if weights:
                error.add_note(f"The images are float32 and the model has {', '.join(weights)}: give model.float().")
            raise


@contextmanager
def _constant(modules: Sequence[nn.Module]) -> Iterator[None]:
    parameters = [value for part in modules for value in part._parameters.values() if value is not None]
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    try:
        for parameter in trained:
            # otherwise linear layers keep inputs for weight gradients that nobody needs: twice the memory in a ViT
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
