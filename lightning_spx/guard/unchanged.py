"""The one context in which a user's model is evaluated, whether it is explained or measured."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from lightning_spx.guard.behind import modules_behind
from lightning_spx.guard.kept_state import SMALL_PARAMETER, KeptState
from lightning_spx.guard.kept_values import LARGEST_COPY
from lightning_spx.guard.prepared import Prepared
from lightning_spx.guard.quiet import quiet


@contextmanager
def unchanged(model: object, device: torch.device, parameters: bool = False) -> Iterator[KeptState]:
    """Switch every module behind a model to evaluation mode, and leave no trace of what happens inside.

    On leaving, by an exception too, everything is what it was: each module's mode, its buffers, its other attributes
    (metrics, observers' ranges, counters, weights that a hook computes), what its hooks count, and the random state of
    PyTorch on the CPU and `device`, of NumPy and of Python. Nothing is logged meanwhile. What a function that is itself
    the model does to other things than modules is its own.

    Args:
        model: any callable; see `modules_behind`. Of a function, modules are found when they are called, too.
        device: of the images.
        parameters: whether large ones are copied as well, for callers who write to them.

    Yields:
        What is kept; its `modules` are those of the model.

    Raises:
        ValueError: a module changes its own parameters in place, or is not initialised.

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
        kept = stack.enter_context(KeptState(roots, LARGEST_COPY if parameters else SMALL_PARAMETER))
        stack.enter_context(quiet(kept.modules))
        if not isinstance(model, nn.Module):
            # what a function takes from elsewhere, its code does not tell
            stack.callback(register_module_forward_pre_hook(lambda module, _: kept.add(module)).remove)
        for module in kept.modules:
            if isinstance(module, Prepared):
                stack.enter_context(module.prepared())
        yield kept


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
