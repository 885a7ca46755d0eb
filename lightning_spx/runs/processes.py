"""The processes of one distributed start: Lightning's strategy starts them, and each has its share of the images.

Torch and Lightning are imported where they are needed: what only reads a run starts without them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from lightning import Trainer
    from torch import Tensor, distributed

# one process may wait for another whose images take days longer
PATIENCE = timedelta(days=30)
T = TypeVar("T")
_alone = ContextVar("_alone", default=False)


def start_processes(trainer: Trainer) -> None:
    """Start the processes that a Trainer asks for, before the study does anything that they all share.

    With `trainer.devices=2` Lightning runs the same command line a second time; under `torchrun` and SLURM the
    processes already exist and find each other. Later Trainers with the same settings use the same processes.

    Args:
        trainer: of the study, with one device or a strategy whose processes last, such as `ddp`.

    Raises:
        ValueError: the strategy would start new processes for each training.
    """
    from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher

    launcher = trainer.strategy.launcher
    if launcher is None or trainer.world_size == 1:
        return
    if isinstance(launcher, _MultiProcessingLauncher):
        raise ValueError(
            "Expected `trainer.strategy` to keep its processes for the whole study, such as ddp, "
            f"got one that spawns or forks new ones for each training ({type(trainer.strategy).__name__})."
        )
    launcher.launch(trainer.strategy.setup_environment, trainer=trainer)


def num_processes() -> int:
    """Return the number of processes that share the work; 1 if the run is not distributed."""
    if _alone.get() or "torch" not in sys.modules:
        return 1
    from torch import distributed

    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


@contextmanager
def alone() -> Iterator[None]:
    """Let this process work by itself inside the context, without waiting for any other.

    Example:
        >>> with alone():
        ...     num_processes()
        1
    """
    token = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(token)


def process_number() -> int:
    """Return the number of this process, 0 to `num_processes() - 1`."""
    if num_processes() == 1:
        return 0
    from torch import distributed

    return distributed.get_rank()


def is_writer() -> bool:
    """Whether this process writes the files that all share: it is the only one, or the first of a distributed run."""
    return process_number() == 0


def wait_for_all() -> None:
    """Wait until every process has called this, however long that takes."""
    if num_processes() > 1:
        from torch import distributed

        distributed.barrier(_patient_group(distributed.group.WORLD))


def collect(value: T) -> list[T]:
    """Return the values of all processes, in the order of the processes; every process gets the same list.

    Example:
        >>> collect({"model 0": 0.75})
        [{'model 0': 0.75}]
    """
    if num_processes() == 1:
        return [value]
    from torch import distributed

    values: list[T | None] = [None] * num_processes()
    distributed.all_gather_object(values, value, _patient_group(distributed.group.WORLD))
    return [each for each in values if each is not None]


def agreed(value: T) -> T:
    """Return the first process's value on all, for decisions on files that another process may be writing.

    Example:
        >>> agreed(True)
        True
    """
    return collect(value)[0]


@cache
def _patient_group(world: distributed.ProcessGroup | None) -> distributed.ProcessGroup:
    """Return a group of all processes that waits for days; the strategy's own group gives up after half an hour."""
    from torch import distributed

    group = distributed.new_group(backend="gloo", timeout=PATIENCE)
    if not isinstance(group, distributed.ProcessGroup):
        raise TypeError(f"Expected a group of all processes, got {group}.")
    return group


def own_share(num_images: int) -> list[int]:
    """Return the positions of the images that this process works on.

    Like every distributed sampler it repeats some images if their number is no multiple of the number of processes;
    `gather_images` removes the repetitions.
    """
    if num_processes() == 1:
        return list(range(num_images))
    import torch
    from torch.utils.data import DistributedSampler, TensorDataset

    return list(DistributedSampler(TensorDataset(torch.empty(num_images)), shuffle=False))


def gather_images(values: Tensor, positions: Sequence[int]) -> Tensor:
    """Collect the per-image values of all processes, each image once and in the order of the data set.

    Args:
        values: (n, ...) values of this process; all processes have equally many.
        positions: positions of these n images in the data set; a sampler may have repeated some.

    Returns:
        (N, ...) values of all images, the same on every process.

    Example:
        >>> import torch
        >>> gather_images(torch.tensor([30, 10, 20, 10]), [2, 0, 1, 0])
        tensor([10, 20, 30])
    """
    import torch
    from torch import distributed

    place = torch.tensor(positions, device=values.device)
    if num_processes() > 1:
        all_values = [torch.empty_like(values) for _ in range(num_processes())]
        all_places = [torch.empty_like(place) for _ in range(num_processes())]
        # the strategy's own group may not accept tensors on the CPU
        group = _patient_group(distributed.group.WORLD) if values.device.type == "cpu" else None
        distributed.all_gather(all_values, values.contiguous(), group)
        distributed.all_gather(all_places, place, group)
        values, place = torch.cat(all_values), torch.cat(all_places)
    order = place.argsort(stable=True)
    ordered = place[order]
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return values[order[first]]


def say(sentence: str) -> None:
    """Print a sentence on the first process only."""
    if is_writer():
        print(sentence)
