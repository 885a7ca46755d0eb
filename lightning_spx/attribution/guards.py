"""Make a model ready to be explained, wherever the call comes from, and leave it as it was."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from lightning_spx.guard import unchanged

Precision = Literal["fp32", "bf16"]


def check_precision(precision: str) -> None:
    """Raise ValueError unless `precision` is one of the two names."""
    if precision not in ("fp32", "bf16"):
        raise ValueError(f"Expected `precision` to be 'fp32' or 'bf16', got {precision!r}.")


def module_of(model: Callable[[Tensor], Tensor]) -> nn.Module | None:
    """Return the module behind a model, a method of it or a `functools.partial` of either; None if there is none.

    Example:
        >>> module_of(nn.ReLU().forward)
        ReLU()
    """
    if isinstance(model, partial):
        return module_of(model.func)
    owner = getattr(model, "__self__", model)
    return owner if isinstance(owner, nn.Module) else None


def is_compiled(model: Callable[[Tensor], Tensor]) -> bool:
    """Whether `torch.compile` was applied to a model or a part of it.

    Example:
        >>> network = nn.Sequential(nn.ReLU())
        >>> is_compiled(network), is_compiled(torch.compile(network))
        (False, True)
    """
    if hasattr(model, "_torchdynamo_orig_callable"):
        return True
    module = module_of(model)
    parts = [] if module is None else module.modules()
    return any(hasattr(part, "_orig_mod") or part._compiled_call_impl is not None for part in parts)


@contextmanager
def explaining(
    model: Callable[[Tensor], Tensor], device: torch.device, precision: Precision, parameters: bool = False
) -> Iterator[Callable[[Tensor], Tensor]]:
    """Switch gradients on, mixed precision to `precision`, the model to eval and its parameters to constants.

    On leaving, by an exception too, all is as it was: see `unchanged`.

    Args:
        model: Any callable.
        device: Where the inputs are.
        precision: "fp32" switches autocast off, also inside mixed-precision training; "bf16" switches it on.
        parameters: Whether large ones are copied, for a caller who writes to them and back.

    Yields:
        The callable to explain: `model` without its DistributedDataParallel wrapper.
    """
    if isinstance(model, DistributedDataParallel):
        # the wrapper's forward would send buffers between processes and wait for gradients that never come
        model = model.module
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        # the cache outlives this block inside an outer autocast, and does not know the type it cast to
        torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16", cache_enabled=False),
        unchanged(model, device, parameters) as kept,
        _constant(kept.modules),
    ):
        yield model


@contextmanager
def _constant(modules: Sequence[nn.Module]) -> Iterator[None]:
    parameters = [value for part in modules for value in part._parameters.values() if value is not None]
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    try:
        for parameter in trained:
            # else linear layers keep their inputs for weight gradients that nobody asks for: twice the memory in a ViT
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
