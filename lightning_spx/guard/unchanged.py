"""The context in which every evaluation of a user's model runs, whether it is explained or measured."""

import random
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from lightning_spx.guard.behind import modules_behind
from lightning_spx.guard.kept_state import SMALL_PARAMETER, KeptState
from lightning_spx.guard.prepared import Prepared
from lightning_spx.guard.quiet import quiet


@contextmanager
def unchanged(model: object, device: torch.device, parameters: bool = False) -> Iterator[KeptState]:
    """Switch every module behind a model to evaluation mode, and undo everything that happens inside.

    On leaving, also by an exception, everything is restored: each module's mode, its buffers, its other attributes
    (metrics, observers' ranges, counters, weights that a hook computes), what its hooks count, and the random state of
    PyTorch on the CPU and `device`, of NumPy and of Python. Nothing is logged inside. If the model is a function, its
    effects on anything but modules are not undone.

    Args:
        model: any callable; see `modules_behind`. Modules that a function calls are also found when they are called.
        device: the device of the images.
        parameters: whether to copy all parameters, for callers who write to them.

    Yields:
        The kept state; its `modules` are those of the model.

    Raises:
        ValueError: a module changes its own parameters in place, or is not initialized.

    Example:
        >>> network = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout())
        >>> with unchanged(lambda images: network(images), torch.device("cpu")):
        ...     _ = network(torch.rand(2, 3, 4, 4))
        >>> network[0].num_batches_tracked.item(), network.training
        (0, True)
    """
    roots = modules_behind(model)
    with ExitStack() as stack:
        stack.enter_context(_random_states(device))
        kept = stack.enter_context(KeptState(roots, sys.maxsize if parameters else SMALL_PARAMETER))
        stack.enter_context(quiet(kept.modules))
        _stop_observers(kept.modules)
        if not any(map(_is_compiled, kept.modules)):
            # finds modules that a function or a `forward` gets from elsewhere, which no reference shows
            stack.callback(register_module_forward_pre_hook(lambda module, _: kept.add(module)).remove)
        for module in kept.modules:
            if isinstance(module, Prepared):
                stack.enter_context(module.prepared())
        yield kept


def _is_compiled(part: nn.Module) -> bool:
    # a global module hook would cause another compilation
    return vars(part).get("_compiled_call_impl") is not None or "_orig_mod" in part._modules


def _stop_observers(modules: Iterable[nn.Module]) -> None:
    """Freeze the ranges of fake quantization, or the range of its neighbors would round an image."""
    for part in modules:
        enabled = None if isinstance(part, torch.jit.ScriptModule) else part._buffers.get("observer_enabled")
        if enabled is not None:
            enabled.zero_()


@contextmanager
def _random_states(device: torch.device) -> Iterator[None]:
    numpy_state, python_state = np.random.get_state(), random.getstate()
    kind = "cuda" if device.type == "cpu" else device.type
    try:
        with torch.random.fork_rng([] if device.type == "cpu" else [device], device_type=kind):
            yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
