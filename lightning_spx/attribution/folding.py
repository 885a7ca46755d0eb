"""Batch normalisation in evaluation mode is a scale and a shift: folded into the convolution before, it costs nothing.

A residual network on a GPU spends most of its time in these layers. Nothing of the model is changed: while it is
explained, its calls of `conv2d` and `batch_norm` are answered by one convolution with other weights.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import getattr_static
from typing import Any, NamedTuple
from weakref import ref

import torch
from torch import Tensor
from torch.nn.functional import batch_norm
from torch.overrides import TorchFunctionMode

from lightning_spx.attribution.shift import add_bias

CONVOLUTION = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
NORMALISATION = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
# questions about a tensor that leave its values alone
HARMLESS = {Tensor.dim, Tensor.size, *(getattr_static(Tensor, name).__get__ for name in ("shape", "ndim", "dtype"))}


class FoldingRefusedError(RuntimeError):
    """What a folded convolution returned is used otherwise than when the model was observed."""


class Folded(NamedTuple):
    """A convolution and the normalisation after it.

    Args:
        original: Weight by which a call of the convolution is known.
        running_mean: Tensor by which a call of the normalisation is known.
        weight: Of the convolution that does both.
        bias: Of the convolution that does both.
    """

    original: Tensor
    running_mean: Tensor
    weight: Tensor
    bias: Tensor


def folded(calls: Sequence[tuple[Mapping[str, Any], Mapping[str, Any], torch.dtype]]) -> list[Folded]:
    """Fold normalisations into the convolutions before them.

    Args:
        calls: For each pair the arguments of `torch.conv2d` and of `batch_norm` by name, and the type in which the
            convolution computes; all on one device.

    Example:
        >>> one = torch.ones(1)
        >>> normalisation = {"running_mean": one, "running_var": 4 * one, "eps": 0}
        >>> pair, = folded([({"weight": torch.ones(1, 1, 1, 1)}, normalisation, torch.float32)])
        >>> pair.weight.item(), pair.bias.item()
        (0.5, -0.5)
    """
    means = [normalisation["running_mean"].detach() for _, normalisation, _ in calls]
    lengths = [len(mean) for mean in means]

    def joined(values: Iterable[Tensor | None], otherwise: float) -> Tensor:
        # all channels of the network in one vector: a GPU would wait for the launches of each pair's arithmetic
        pairs = zip(values, means, strict=True)
        parts = [torch.full_like(mean, otherwise) if value is None else value.detach() for value, mean in pairs]
        return torch.cat(parts).double()

    epsilon = torch.tensor([normalisation.get("eps", 1e-5) for _, normalisation, _ in calls], dtype=torch.float64)
    variance = joined((normalisation["running_var"] for _, normalisation, _ in calls), 1.0)
    variance = variance + epsilon.repeat_interleave(torch.tensor(lengths)).to(variance.device)
    scale = variance.rsqrt() * joined((normalisation.get("weight") for _, normalisation, _ in calls), 1.0)
    shift = joined((convolution.get("bias") for convolution, _, _ in calls), 0.0) - joined(means, 0.0)
    shift = shift * scale + joined((normalisation.get("bias") for _, normalisation, _ in calls), 0.0)
    return [
        Folded(
            convolution["weight"],
            normalisation["running_mean"],
            (convolution["weight"].detach() * scales[:, None, None, None].to(convolution["weight"].dtype)).to(dtype),
            shifts.to(dtype),
        )
        for (convolution, normalisation, dtype), scales, shifts in zip(
            calls, torch.split(scale, lengths), torch.split(shift, lengths), strict=True
        )
    ]


class NormalisationFolding:
    """Folds what can be folded in the evaluations of one model, from the second on; the first is observed.

    A convolution is folded if its weight was used once, all that was done with its result is one normalisation by
    constants, and nobody kept the result. If a later evaluation does anything else with it, that one raises.

    Args:
        enabled: If False, nothing is observed or folded.

    Example:
        >>> network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU()).eval()
        >>> images, folding = torch.rand(1, 3, 8, 8), NormalisationFolding()
        >>> with torch.no_grad():
        ...     for _ in range(2):
        ...         with folding.evaluation():
        ...             result = network(images)
        ...     folding.num_folded, torch.allclose(result, network(images), atol=1e-6)
        (1, True)
    """

    def __init__(self, enabled: bool = True) -> None:
        self._observation: _Observation | None = None
        self._pairs: dict[int, Folded] | None = None if enabled else {}
        self._num_left: int | None = None

    @property
    def num_folded(self) -> int:
        """Number of normalisations that the next evaluation folds."""
        self._conclude()
        return len(self._pairs or ())

    @property
    def num_left(self) -> int | None:
        """Number of calls that normalise by constants and are not folded; None while nothing was observed."""
        self._conclude()
        return self._num_left

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """Be the context in which the model is called next.

        Raises:
            FoldingRefusedError: On leaving, or inside, if the model does what it did not do when it was observed.
        """
        self._conclude()
        if self._pairs is None:
            observation = _Observation()
            with observation:
                yield
            observation.release()
            # not where it was cut short, as by the end of memory
            self._observation = observation
        elif self._pairs:
            replacement = _Replacement(self._pairs)
            with replacement:
                yield
            replacement.check_kept()
        else:
            yield

    def _conclude(self) -> None:
        # as late as this, because until then the graph of the observed evaluation may hold the results
        if self._observation is not None:
            self._pairs = self._observation.pairs()
            self._num_left = self._observation.num_normalisations - len(self._pairs)
            self._observation = None


@dataclass
class _Output:
    tensor: Tensor | None
    kept: "ref[Tensor]"
    arguments: dict[str, Any]
    dtype: torch.dtype
    uses: int = 0
    normalisation: dict[str, Any] | None = None


class _Observation(TorchFunctionMode):
    """Notes what is done with the results of convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self._outputs: dict[int, _Output] = {}
        self.num_normalisations = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        kwargs = kwargs or {}
        if func not in HARMLESS:
            normalisation = _by_constants(func, args, kwargs)
            self.num_normalisations += normalisation is not None
            for tensor in _tensors((*args, *kwargs.values())):
                output = self._outputs.get(id(tensor))
                if output is not None:
                    output.uses += 1
                    output.normalisation = normalisation
        result = func(*args, **kwargs)
        if func is torch.conv2d and isinstance(result, Tensor):
            arguments = _named(CONVOLUTION, args, kwargs)
            del arguments["input"]
            # held while the model runs, so that no other tensor gets its place in memory, which it is known by
            self._outputs[id(result)] = _Output(result, ref(result), arguments, result.dtype)
        return result

    def release(self) -> None:
        """Let go of the results, which the backward pass frees one after the other."""
        for output in self._outputs.values():
            output.tensor = None

    def pairs(self) -> dict[int, Folded]:
        """Return what can be folded, by the place of the convolution's weight."""
        uses = Counter(id(output.arguments["weight"]) for output in self._outputs.values())
        calls = [
            (output.arguments, output.normalisation, output.dtype)
            for output in self._outputs.values()
            if output.normalisation is not None
            and output.uses == 1
            and output.kept() is None
            and uses[id(output.arguments["weight"])] == 1
        ]
        devices = dict.fromkeys(convolution["weight"].device for convolution, _, _ in calls)
        return {
            id(pair.original): pair
            for device in devices
            for pair in folded([call for call in calls if call[0]["weight"].device == device])
        }


@dataclass
class _Promise:
    given: Tensor
    result: Tensor | None
    pair: Folded


class _Replacement(TorchFunctionMode):
    """Answers a convolution by a tensor that stands for it, and the normalisation of that by the folded result."""

    def __init__(self, pairs: Mapping[int, Folded]) -> None:
        super().__init__()
        self._pairs = pairs
        self._promises: dict[int, _Promise] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        kwargs = kwargs or {}
        if func not in HARMLESS:
            for tensor in _tensors((*args, *kwargs.values())):
                promise = self._promises.get(id(tensor))
                if promise is not None:
                    normalisation = _by_constants(func, args, kwargs)
                    result, promise.result = promise.result, None
                    own = normalisation is not None and normalisation["running_mean"] is promise.pair.running_mean
                    if result is None or not own:
                        raise FoldingRefusedError("expected one normalisation after a convolution, as observed")
                    return result
        if func is torch.conv2d:
            arguments = _named(CONVOLUTION, args, kwargs)
            found = self._pairs.get(id(arguments["weight"]))
            if found is not None:
                result = _convolved({**arguments, "weight": found.weight}, found.bias)
                # not the result itself: after the normalisation another use of it could not be told apart
                given = result.detach()
                self._promises[id(given)] = _Promise(given, result, found)
                return given
        return func(*args, **kwargs)

    def check_kept(self) -> None:
        """Raise FoldingRefusedError if a convolution was not followed by its normalisation."""
        if any(promise.result is not None for promise in self._promises.values()):
            raise FoldingRefusedError("expected a normalisation after every convolution that is folded, as observed")


def _convolved(arguments: dict[str, Any], bias: Tensor) -> Tensor:
    if bias.device.type != "cuda":
        return torch.conv2d(**{**arguments, "bias": bias})
    return add_bias(torch.conv2d(**{**arguments, "bias": None}), bias)


def _by_constants(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
    """Return the arguments but the first of a call that normalises by constants; None for any other call."""
    if func is not batch_norm:
        return None
    given = _named(NORMALISATION, args, kwargs)
    # a reference to it would keep it alive
    del given["input"]
    constant = given.get("running_mean") is not None and given.get("running_var") is not None
    return given if constant and not given.get("training") else None


def _named(names: Iterable[str], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    return dict(zip(names, args, strict=False)) | kwargs


def _tensors(values: Iterable[object]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)
