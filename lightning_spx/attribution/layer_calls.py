"""Evaluates a network without gradients and shows what its layers are given and return."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lightning_spx.attribution.logits import answer

# takes a layer's name, the layer, the first tensor that it was given, and its output; may return another output
After = Callable[[str, nn.Module, Tensor | None, object], object]
Before = Callable[[Tensor | None], None]


def python_layers(network: nn.Module) -> list[str]:
    """Return the names of all layers that call hooks: those of TorchScript do not."""
    return [name for name, part in network.named_modules() if name and not isinstance(part, torch.jit.ScriptModule)]


def call_hooked(
    network: nn.Module, images: Tensor, names: Iterable[str], after: After, before: Before | None = None
) -> None:
    """Evaluate a network without gradients and call `before` and `after` around each call of the named layers.

    Args:
        network: The network, in eval mode.
        images: `(N, C, H, W)`, not written to.
        names: Names of layers, as in `get_submodule`.
        after: Called after a layer.
        before: Called with the first tensor that a layer is given.
    """
    handles: list[RemovableHandle] = []
    try:
        for name in names:
            handles += _attached(network.get_submodule(name), name, after, before)
        with torch.no_grad():
            answer(network, images.clone())
    finally:
        for handle in handles:
            handle.remove()


def _attached(module: nn.Module, name: str, after: After, before: Before | None) -> list[RemovableHandle]:
    def left(part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: object) -> object:
        return after(name, part, _first_tensor(args, kwargs), output)

    def entered(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if before is not None:
            before(_first_tensor(args, kwargs))

    handles = [module.register_forward_hook(left, with_kwargs=True)]
    if before is not None:
        handles.append(module.register_forward_pre_hook(entered, with_kwargs=True))
    return handles


def _first_tensor(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
    return next((value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)), None)


def only_tensor(output: object) -> Tensor | None:
    """Return what a layer returned if that is one tensor, perhaps as a tuple of one; None if it is anything else.

    Example:
        >>> only_tensor((torch.ones(1),)), only_tensor((torch.ones(1), torch.ones(1)))
        (tensor([1.]), None)
    """
    if isinstance(output, tuple) and len(output) == 1:
        output = output[0]
    return output if isinstance(output, Tensor) else None


def in_place_of(output: object, tensor: Tensor) -> object:
    """Return a tensor in the form of `output`, for which `only_tensor` gives one."""
    return (tensor,) if isinstance(output, tuple) else tensor
