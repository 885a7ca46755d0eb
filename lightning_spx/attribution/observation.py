"""Observes one evaluation of a model to find out what it does with the results of its convolutions."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from inspect import getattr_static
from typing import Any, NamedTuple
from weakref import ref

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.nn.functional import batch_norm
from torch.overrides import TorchFunctionMode

Arguments = dict[str, Any]
CONVOLUTION = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
NORMALISATION = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
# functions that ask about a tensor without using its values
HARMLESS = {Tensor.dim, Tensor.size, *(getattr_static(Tensor, name).__get__ for name in ("shape", "ndim", "dtype"))}


class Pair(NamedTuple):
    """A convolution whose result is used only by the normalization after it.

    Args:
        convolution: Arguments of `torch.conv2d` except the input.
        normalization: Arguments of `batch_norm` except the input.
        dtype: The type in which the convolution computes.
    """

    convolution: Arguments
    normalization: Arguments
    dtype: torch.dtype


def observed_pairs(model: Callable[[Tensor], Tensor], images: Tensor) -> tuple[list[Pair], int]:
    """Evaluate a model and find the convolutions whose only use is one normalization by constants.

    Two sources must agree: the calls that Python sees, and the graph of the gradient, which also contains the calls
    that Python does not see.

    Args:
        model: The model, in evaluation mode, with constant parameters.
        images: `(N, C, H, W)`.

    Returns:
        The pairs, and the number of normalizations by constants that belong to no pair.

    Example:
        >>> network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).eval()
        >>> pairs, num_left = observed_pairs(network, torch.rand(1, 3, 8, 8))
        >>> len(pairs), num_left
        (1, 0)
    """
    observation = _Observation()
    observation.look(model, images.detach().clone().requires_grad_())
    pairs = observation.pairs()
    return pairs, observation.num_normalizations - len(pairs)


@dataclass
class _Output:
    tensor: Tensor | None
    kept: "ref[Tensor]"
    arguments: Arguments
    dtype: torch.dtype
    uses: int = 0
    normalization: Arguments | None = None
    normalized: Node | None = None
    alone: bool = False


class _Observation(TorchFunctionMode):
    """Records what the model does with the results of its convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self._outputs: dict[int, _Output] = {}
        self.num_normalizations = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: Arguments | None = None
    ) -> object:
        kwargs = kwargs or {}
        normalization = by_constants(func, args, kwargs)
        self.num_normalizations += normalization is not None
        seen = [] if func in HARMLESS else [self._outputs.get(id(each)) for each in tensors((*args, *kwargs.values()))]
        result = func(*args, **kwargs)
        for output in seen:
            if output is not None:
                output.uses += 1
                output.normalization = normalization
                output.normalized = result.grad_fn if normalization is not None else None
        if func is torch.conv2d and isinstance(result, Tensor):
            arguments = named(CONVOLUTION, args, kwargs)
            del arguments["input"]
            # kept while the model runs: the key is its `id`, which no other tensor may take over
            self._outputs[id(result)] = _Output(result, ref(result), arguments, result.dtype)
        return result

    def look(self, model: Callable[[Tensor], Tensor], variable: Tensor) -> None:
        """Evaluate the model; record which results the gradient reaches only through their normalization."""
        with torch.enable_grad(), self:
            # a copy, because a model may write to its input, which autograd forbids for a leaf
            result = model(variable.clone())
        entered, reached = _edges(result.grad_fn) if isinstance(result, Tensor) else (Counter(), set())
        for output in self._outputs.values():
            tensor = output.tensor
            if tensor is not None and tensor.grad_fn is not None and tensor._version == 0:
                output.alone = entered[tensor.grad_fn] == 1 and output.normalized in reached
            output.tensor = output.normalized = None

    def pairs(self) -> list[Pair]:
        """Return the pairs; call it when nobody but the model itself can still hold a result."""
        calls = Counter(id(output.arguments["weight"]) for output in self._outputs.values())
        return [
            Pair(output.arguments, output.normalization, output.dtype)
            for output in self._outputs.values()
            if output.normalization is not None
            and output.uses == 1
            and output.alone
            and output.kept() is None
            and calls[id(output.arguments["weight"])] == 1
        ]


def _edges(root: Node | None) -> tuple[Counter[Node], set[Node]]:
    """Return how many edges lead to each node of a graph, and all its nodes."""
    entered: Counter[Node] = Counter()
    waiting = [] if root is None else [root]
    reached = set(waiting)
    while waiting:
        for node, _ in waiting.pop().next_functions:
            if node is None:
                continue
            entered[node] += 1
            if node not in reached:
                reached.add(node)
                waiting.append(node)
    return entered, reached


def by_constants(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Arguments) -> Arguments | None:
    """Return all arguments but the first of a call that normalizes by constants; None for any other call."""
    if func is not batch_norm:
        return None
    given = named(NORMALISATION, args, kwargs)
    # a reference would keep the input alive
    del given["input"]
    constant = given.get("running_mean") is not None and given.get("running_var") is not None
    return given if constant and not given.get("training") else None


def named(names: Iterable[str], args: tuple[Any, ...], kwargs: Arguments) -> Arguments:
    """Return the arguments of a call by name.

    Example:
        >>> named(("input", "bias"), (1,), {"bias": 2})
        {'input': 1, 'bias': 2}
    """
    return dict(zip(names, args, strict=False)) | kwargs


def tensors(values: Iterable[object]) -> Iterator[Tensor]:
    """Yield all tensors among the values, also those inside lists and tuples."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from tensors(value)
