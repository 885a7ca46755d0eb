"""Finds the weights that a pass through a loader scored, in case a callback swaps averages in for the pass."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # by the size of an element


class ScoredWeights:
    """Keeps the weights of a pass until its end, if another callback may replace them before.

    A callback that comes earlier in the Trainer's list and has a hook of its own at the end of the epoch may have
    swapped its weights out before our hook runs. Only in that case the weights are copied, on the module's device and
    for the time of a pass. A swap does not change a tensor's version, so values are compared.

    Args:
        hook: the name of our hook that needs the weights.

    Example:
        >>> scored, module = ScoredWeights("on_validation_epoch_end"), LightningModule()
        >>> scored.note([Callback()], module)
        >>> with scored.in_place(module):
        ...     pass
    """

    def __init__(self, hook: str) -> None:
        self.hook = hook
        self._noted = False
        self._copy: dict[str, Tensor] = {}

    def note(self, earlier: Sequence[Callback], module: LightningModule) -> None:
        """Note the weights after the first batch of a pass; later batches of the pass change nothing.

        Args:
            earlier: callbacks whose hooks run before ours.
            module: holds the weights that have just scored a batch.
        """
        if not self._noted and any(_has_own(callback, self.hook) for callback in earlier):
            # a parameter made outside inference mode cannot hold values made inside
            with torch.inference_mode(False):
                self._copy = {name: value.detach().clone() for name, value in _tensors(module).items()}
        self._noted = True

    @contextmanager
    def in_place(self, module: LightningModule) -> Iterator[None]:
        """Put the weights that the pass scored into the module, if it holds others by now, and forget them.

        No value is overwritten: inside the context the module's tensors point to the copies.
        """
        copy, self._copy, self._noted = self._copy, {}, False
        now = _tensors(module)
        if not copy.keys() <= now.keys():
            rank_zero_warn(
                "SaliencyEvaluator: a callback has renamed weights since the validation, as pruning does: the "
                "present weights are explained instead. List SaliencyEvaluator before that callback."
            )
            copy = {}
        lent = [(now[name], value) for name, value in copy.items() if not _same(now[name], value)]
        own = [tensor.data for tensor, _ in lent]
        try:
            for tensor, value in lent:
                tensor.data = value
            yield
        finally:
            for (tensor, _), value in zip(lent, own, strict=True):
                tensor.data = value


def _same(first: Tensor, second: Tensor) -> bool:
    if first.layout is not torch.strided:
        first, second = first.to_dense(), second.to_dense()
    return torch.equal(first, second)


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def earlier_callbacks(trainer: Trainer, own: Callback) -> list[Callback]:
    """Return the callbacks whose hooks run before those of this one."""
    callbacks: list[Callback] = vars(trainer)["callbacks"]
    return callbacks[: callbacks.index(own)] if own in callbacks else callbacks


def _has_own(callback: Callback, hook: str) -> bool:
    # a function that is set on the object, as in LambdaCallback, has no `__func__`
    return getattr(getattr(callback, hook), "__func__", None) is not getattr(Callback, hook)


def parameter_mark(module: nn.Module, state: Mapping[str, Tensor] | None = None) -> str:
    """Return a text that is the same for parameters that are equal bit for bit, on any device.

    Args:
        module: has the parameters.
        state: other values for them, by their names; None takes the module's own.

    Example:
        >>> module = nn.Linear(2, 1)
        >>> other = {"weight": module.weight + 1, "bias": module.bias}
        >>> parameter_mark(module) == parameter_mark(module, module.state_dict()) != parameter_mark(module, other)
        True
    """
    own = dict(module.named_parameters())
    sums = [_sum_of_bits(own[name] if state is None else state.get(name, own[name])) for name in sorted(own)]
    return hashlib.sha256(repr(sums).encode()).hexdigest()


def _sum_of_bits(value: Tensor) -> int:
    values = torch.view_as_real(value.detach()) if value.is_complex() else value.detach()
    return int(values.view(BITS[values.element_size()]).sum(dtype=torch.int64))


def averaging_callback(trainer: Trainer) -> WeightAveraging | None:
    """Return Lightning's callback that averages weights, once it holds averages; else None."""
    for callback in vars(trainer)["callbacks"]:
        if isinstance(callback, WeightAveraging) and _averages(callback) is not None:
            return callback
    return None


def name_weights(trainer: Trainer, module: LightningModule, validating: bool) -> str:
    """Say in a few words which weights are explained: the module's `own`, or averages.

    Args:
        trainer: of the module.
        module: the explained module.
        validating: whether it is explained during validation, for which Lightning swaps averages in.
    """
    averaging = averaging_callback(trainer)
    if averaging is None:
        return "own"
    name = type(averaging).__name__
    return f"averages of {name}" if validating or holds_averages(averaging, module) else f"not averaged by {name}"


def holds_averages(averaging: WeightAveraging, module: LightningModule) -> bool:
    """Whether the module's parameters equal the averages that the callback holds."""
    averages = _averages(averaging)
    pairs = () if averages is None else zip(averages.module.parameters(), module.parameters(), strict=False)
    return all(torch.equal(average.to(own.device), own) for average, own in pairs)


def warn_unaveraged(trainer: Trainer, module: LightningModule, stage: str) -> None:
    """Warn if a Trainer that has fitted with averages tests or predicts with other weights."""
    averaging = averaging_callback(trainer)
    if averaging is not None and not holds_averages(averaging, module):
        name = type(averaging).__name__
        rank_zero_warn(
            f"SaliencyEvaluator: the Trainer that fitted with {name} does not use its averages in `{stage}`; a new "
            f"Trainer's `{stage}` of the same checkpoint does."
        )


def _averages(averaging: WeightAveraging) -> AveragedModel | None:
    averages = getattr(averaging, "_average_model", None)
    return averages if isinstance(averages, AveragedModel) else None
