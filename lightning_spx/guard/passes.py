"""Counts the images that go through a network, forward and backward: what an explanation costs on any machine."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock

import torch
from torch import Tensor, nn
from torch.autograd.graph import register_multi_grad_hook
from torch.nn.modules.module import register_module_forward_hook
from torch.nn.parallel import DistributedDataParallel

Hook = Callable[[nn.Module, object, object], None]


# whether passes of this thread belong to a check
_UNCOUNTED: ContextVar[bool] = ContextVar("uncounted", default=False)


@contextmanager
def uncounted() -> Iterator[None]:
    """Leave out the passes inside the context, which are no part of what a map costs.

    Example:
        >>> network = nn.Flatten()
        >>> with count_passes(network) as passes, uncounted():
        ...     _ = network(torch.ones(4, 3, 2, 2))
        >>> passes.forward
        0
    """
    token = _UNCOUNTED.set(True)
    try:
        yield
    finally:
        _UNCOUNTED.reset(token)


class Passes:
    """The passes that were counted so far, each of one image.

    What a method evaluates once in a call for its own checks is left out, as it hides in `uncounted`: an image alone,
    to see whether its logit depends on the batch, and up to four images to find the layer of a class activation map.
    `FromCaptum` evaluates every image once beside what captum does, which counts.

    Attributes:
        forward: images whose forward pass ended, copies such as noisy ones among them.
        backward: images whose output got a gradient. A backward pass counts in full wherever it ends, at the image or,
            as in GradCAM, at a layer.

    Example:
        >>> Passes().forward
        0
    """

    def __init__(self) -> None:
        self.forward = 0
        self.backward = 0
        self._counting = True
        # backward passes on a GPU run in a thread of autograd
        self._lock = Lock()

    def _went_forward(self, module: nn.Module, inputs: object, returned: object) -> None:
        tensors = [tensor for tensor in _tensors(returned) if tensor.ndim]
        if not tensors or _UNCOUNTED.get():
            return
        images = len(tensors[0])
        with self._lock:
            self.forward += images
        reached = [tensor for tensor in tensors if tensor.requires_grad]

        def went_backward(gradient: Tensor) -> None:
            with self._lock:
                # the graph may outlive the context
                self.backward += images if self._counting else 0

        if reached:
            # several outputs, such as logits and features, get their gradients in one pass
            register_multi_grad_hook(reached, went_backward, mode="any")

    def _end(self) -> None:
        with self._lock:
            self._counting = False


@contextmanager
def count_passes(network: nn.Module) -> Iterator[Passes]:
    """Count the passes of a network, whoever calls it: a wrapper, a function, another library, or another thread.

    Nothing of it stays in the network. Calls of `network.forward`, which run no hooks, are not counted. A network that
    was compiled in place is compiled once more.

    Args:
        network: the module that is counted; of `DistributedDataParallel`, the module inside it, which is explained.

    Yields:
        The counts, which go on until the context ends.

    Example:
        >>> network = nn.Flatten()
        >>> with count_passes(network) as passes:
        ...     images = torch.ones(4, 3, 2, 2, requires_grad=True)
        ...     network(images).sum().backward()
        ...     _ = network(images.detach())
        >>> passes.forward, passes.backward
        (8, 4)
    """
    counted = network.module if isinstance(network, DistributedDataParallel) else network
    passes = Passes()
    # a compiled network calls it between two graphs; PyTorch types it not at all
    uncompiled: Callable[[Hook], Hook] = torch.compiler.disable
    hook = uncompiled(passes._went_forward)

    def of_all(module: nn.Module, inputs: object, returned: object) -> None:
        if module is counted:
            hook(module, inputs, returned)

    # a script takes no hook of its own, but heeds those of all modules
    scripted = isinstance(counted, torch.jit.ScriptModule)
    handle = register_module_forward_hook(of_all) if scripted else counted.register_forward_hook(hook)
    try:
        yield passes
    finally:
        handle.remove()
        passes._end()


def _tensors(returned: object) -> Iterator[Tensor]:
    """Yield the tensors that a network returns: one, or those of a tuple, a mapping, or an object with attributes."""
    if isinstance(returned, Tensor):
        yield returned
    elif isinstance(returned, Mapping):
        for each in returned.values():
            yield from _tensors(each)
    elif isinstance(returned, list | tuple):
        for each in returned:
            yield from _tensors(each)
    elif hasattr(returned, "__dict__"):
        for each in vars(returned).values():
            yield from _tensors(each)
