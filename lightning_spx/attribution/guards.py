"""Make a model ready to be explained, wherever the call comes from, and leave it as it was."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from operator import attrgetter
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

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
    model: Callable[[Tensor], Tensor], device: torch.device, precision: Precision
) -> Iterator[Callable[[Tensor], Tensor]]:
    """Switch gradients on, mixed precision to `precision`, the model to eval and its parameters to constants.

    On leaving, by an exception too, every flag and the random state of the CPU and of `device` are restored.

    Args:
        model: Any callable; flags are switched if `module_of` finds a module behind it.
        device: Where the inputs are.
        precision: "fp32" switches autocast off, also inside mixed-precision training; "bf16" switches it on.

    Yields:
        The callable to explain: `model` without its DistributedDataParallel wrapper.
    """
    if isinstance(model, DistributedDataParallel):
        # the wrapper's forward would send buffers between processes and wait for gradients that never come
        model = model.module
    module = module_of(model)
    forked = [] if device.type == "cpu" else [device]
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.random.fork_rng(forked, device_type="cuda" if device.type == "cpu" else device.type),
        # the cache outlives this block inside an outer autocast, and does not know the type it cast to
        torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16", cache_enabled=False),
        _constant(module if module is not None else nn.Module()),
    ):
        yield model


@contextmanager
def _constant(module: nn.Module) -> Iterator[None]:
    # flags are set one by one: train() and eval() may be overridden and do more than set a flag
    parts = list(module.modules())
    training = [part for part in parts if part.training]
    # this is done for every chunk, and the dicts take a tenth of the time of `named_parameters` and `named_buffers`
    parameters, buffers = (
        [(part, name, tensor) for part in parts for name, tensor in store(part).items() if tensor is not None]
        for store in (attrgetter("_parameters"), attrgetter("_buffers"))
    )
    # autograd refuses to save tensors made in inference mode: copies take their place
    borrowed = [(part, name, tensor) for part, name, tensor in (*parameters, *buffers) if tensor.is_inference()]
    trained = [tensor for _, _, tensor in parameters if tensor.requires_grad and not tensor.is_inference()]
    try:
        for part in training:
            part.training = False
        for parameter in trained:
            # else linear layers keep their inputs for weight gradients that nobody asks for: twice the memory in a ViT
            parameter.requires_grad_(False)
        for part, name, tensor in borrowed:
            copy = tensor.clone()
            setattr(part, name, nn.Parameter(copy, False) if isinstance(tensor, nn.Parameter) else copy)
        yield
    finally:
        for part, name, tensor in borrowed:
            setattr(part, name, tensor)
        for parameter in trained:
            parameter.requires_grad_(True)
        for part in training:
            part.training = True
