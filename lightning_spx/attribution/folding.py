"""Folds batch normalization, a scale and a shift in evaluation mode, into the convolution before it.

A residual network on a GPU spends most of its time in these layers. The model itself does not change: while it is
explained, its calls of `conv2d` and `batch_norm` are intercepted and replaced by one convolution with other weights.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from lightning_spx.attribution.observation import (
    CONVOLUTION,
    HARMLESS,
    Arguments,
    Pair,
    by_constants,
    named,
    observed_pairs,
    tensors,
)
from lightning_spx.attribution.shift import add_bias


class FoldingRefusedError(RuntimeError):
    """The model uses the result of a folded convolution in another way than when it was observed."""


class Folded(NamedTuple):
    """A convolution that replaces a pair of convolution and normalization.

    Args:
        pair: Holds the tensors that identify the calls.
        convolution: Identifies a call of the convolution.
        normalization: Identifies the call of the normalization after it.
        weight: Weight of the convolution that replaces both.
        bias: Bias of the convolution that replaces both.
    """

    pair: Pair
    convolution: dict[str, object]
    normalization: dict[str, object]
    weight: Tensor
    bias: Tensor


def folded(pairs: Sequence[Pair]) -> list[Folded]:
    """Fold normalizations into the convolutions before them, all on one device.

    Example:
        >>> one = torch.ones(1)
        >>> normalization = {"running_mean": one, "running_var": 4 * one, "eps": 0}
        >>> both, = folded([Pair({"weight": torch.ones(1, 1, 1, 1)}, normalization, torch.float32)])
        >>> both.weight.item(), both.bias.item()
        (0.5, -0.5)
    """
    means = [pair.normalization["running_mean"].detach() for pair in pairs]
    lengths = [len(mean) for mean in means]

    def joined(values: Iterable[Tensor | None], otherwise: float) -> Tensor:
        # one vector with all channels of the network: launching each pair's arithmetic would take a GPU longer
        each = zip(values, means, strict=True)
        parts = [torch.full_like(mean, otherwise) if value is None else value.detach() for value, mean in each]
        return torch.cat(parts).double()

    epsilon = torch.tensor([pair.normalization.get("eps", 1e-5) for pair in pairs], dtype=torch.float64)
    variance = joined((pair.normalization["running_var"] for pair in pairs), 1.0)
    variance = variance + epsilon.repeat_interleave(torch.tensor(lengths)).to(variance.device)
    scale = variance.rsqrt() * joined((pair.normalization.get("weight") for pair in pairs), 1.0)
    shift = joined((pair.convolution.get("bias") for pair in pairs), 0.0) - joined(means, 0.0)
    shift = shift * scale + joined((pair.normalization.get("bias") for pair in pairs), 0.0)
    scales, shifts = torch.split(scale, lengths), torch.split(shift, lengths)
    result = []
    for pair, of_channels, bias in zip(pairs, scales, shifts, strict=True):
        weight = pair.convolution["weight"].detach()
        weight = (weight * of_channels[:, None, None, None].to(weight.dtype)).to(pair.dtype)
        told = _told(pair.convolution), _told(pair.normalization)
        result.append(Folded(pair, *told, weight, bias.to(pair.dtype)))
    return result


class NormalizationFolding:
    """Folds all convolutions of one model that can be folded.

    A convolution is folded if, when the model was observed, its weight was used once, its result went only into one
    normalization by constants, and nobody kept the result. A later call with other tensors, or with tensors that were
    written to, is not folded; writing to them through `.data` while the model runs goes unnoticed. A later evaluation
    that does anything else with the result of a folded convolution raises.

    Args:
        pairs: The pairs to fold.
        num_left: Number of normalizations by constants that are not folded; None if unknown.

    Example:
        >>> network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU()).eval()
        >>> images = torch.rand(1, 3, 8, 8)
        >>> folding = NormalizationFolding.observed(network, images)
        >>> with torch.no_grad(), folding.evaluation():
        ...     result = network(images)
        >>> folding.num_folded, torch.allclose(result, network(images), atol=1e-6)
        (1, True)
    """

    def __init__(self, pairs: Sequence[Pair] = (), num_left: int | None = None) -> None:
        devices = dict.fromkeys(pair.convolution["weight"].device for pair in pairs)
        self._pairs = {
            id(each.pair.convolution["weight"]): each
            for device in devices
            for each in folded([pair for pair in pairs if pair.convolution["weight"].device == device])
        }
        self.num_left = num_left

    @classmethod
    def observed(cls, model: Callable[[Tensor], Tensor], images: Tensor) -> "NormalizationFolding":
        """Observe the model on some images and fold what can be folded.

        Args:
            model: The model, in evaluation mode, with constant parameters.
            images: `(N, C, H, W)`, preferably few.
        """
        return cls(*observed_pairs(model, images))

    @property
    def num_folded(self) -> int:
        """Return the number of normalizations that an evaluation folds."""
        return len(self._pairs)

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """Return the context in which to call the model.

        Raises:
            FoldingRefusedError: Inside or on leaving, if the model does not do what it did when it was observed.
        """
        if not self._pairs:
            yield
            return
        replacement = _Replacement(self._pairs)
        with replacement:
            yield
        replacement.check_kept()


@dataclass
class _Promise:
    given: Tensor
    result: Tensor | None
    both: Folded


class _Replacement(TorchFunctionMode):
    """Returns a placeholder for a convolution, and the folded result for the normalization of that placeholder."""

    def __init__(self, pairs: Mapping[int, Folded]) -> None:
        super().__init__()
        self._pairs = pairs
        self._promises: dict[int, _Promise] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: Arguments | None = None
    ) -> object:
        kwargs = kwargs or {}
        if func not in HARMLESS:
            for tensor in tensors((*args, *kwargs.values())):
                promise = self._promises.get(id(tensor))
                if promise is not None:
                    normalization = by_constants(func, args, kwargs)
                    result, promise.result = promise.result, None
                    own = normalization is not None and _told(normalization) == promise.both.normalization
                    if result is None or not own:
                        raise FoldingRefusedError("expected one normalization after a convolution, as observed")
                    return result
        if func is torch.conv2d:
            arguments = named(CONVOLUTION, args, kwargs)
            inputs = arguments.pop("input")
            found = self._pairs.get(id(arguments["weight"]))
            if found is not None and _told(arguments) == found.convolution:
                result = _convolved({**arguments, "input": inputs, "weight": found.weight}, found.bias)
                # not the result itself: another use of it could not be told from the normalized one
                given = result.detach()
                self._promises[id(given)] = _Promise(given, result, found)
                return given
        return func(*args, **kwargs)

    def check_kept(self) -> None:
        """Raise FoldingRefusedError if a convolution was not followed by its normalization."""
        if any(promise.result is not None for promise in self._promises.values()):
            raise FoldingRefusedError("expected a normalization after every convolution that is folded, as observed")


def _convolved(arguments: Arguments, bias: Tensor) -> Tensor:
    if bias.device.type != "cuda":
        return torch.conv2d(**{**arguments, "bias": bias})
    return add_bias(torch.conv2d(**{**arguments, "bias": None}), bias)


def _told(arguments: Mapping[str, Any]) -> dict[str, object]:
    """Return what two calls with the same arguments share: which tensors, their write counts, and other values."""
    return {
        name: (id(value), None if value.is_inference() else value._version) if isinstance(value, Tensor) else value
        for name, value in arguments.items()
    }
