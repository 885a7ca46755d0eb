"""The processes of a distributed run: started by Lightning's strategy, each with its share of the work."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from functools import cache
from typing import TypeVar

import torch
from lightning import Trainer
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher
from torch import Tensor, distributed
from torch.utils.data import DistributedSampler, TensorDataset

# between processes whose shares of images take a day longer or shorter than the others'
PATIENCE = timedelta(days=30)
T = TypeVar("T")
_alone = ContextVar("_alone", default=False)


def start_processes(trainer: Trainer) -> None:
    """Start the processes that a Trainer asks for, before a study does anything that all of them share.

    With `trainer.devices=2` Lightning runs the same command line once more; under `torchrun` and SLURM the processes
    are there, and find each other. Later Trainers of the same settings use the same processes.

    Args:
        trainer: of the study; one device, or a strategy whose processes last, such as `ddp`.

    Raises:
        ValueError: its strategy starts processes for each training and ends them after it.
    """
    launcher = trainer.strategy.launcher
    if launcher is None or trainer.world_size == 1:
        return
    if isinstance(launcher, _MultiProcessingLauncher):
        raise ValueError(
            "Expected `trainer.strategy` to have processes that last for the whole study, such as ddp, "
            f"got one with processes for each training ({type(trainer.strategy).__name__}, spawned or forked)."
        )
    launcher.launch(trainer.strategy.setup_environment, trainer=trainer)


def num_processes() -> int:
    """Number of processes that share the work; 1 where nothing is distributed."""
    if _alone.get():
        return 1
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


@contextmanager
def alone() -> Iterator[None]:
    """Let this process work for itself for a while, waiting for no other.

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
    """Number of this process, 0 to `num_processes() - 1`."""
    return distributed.get_rank() if num_processes() > 1 else 0


def is_writer() -> bool:
    """Whether this process writes what all share: the first of a distributed run, or the only one."""
    return process_number() == 0


def wait_for_all() -> None:
    """Return when every process has called this, however long that takes."""
    if num_processes() > 1:
        distributed.barrier(_patient_group(distributed.group.WORLD))


def collect(value: T) -> list[T]:
    """Return the value of every process, in the order of the processes, on each of them.

    Example:
        >>> collect({"model 0": 0.75})
        [{'model 0': 0.75}]
    """
    if num_processes() == 1:
        return [value]
    values: list[T | None] = [None] * num_processes()
    distributed.all_gather_object(values, value, _patient_group(distributed.group.WORLD))
    return [each for each in values if each is not None]


def agreed(value: T) -> T:
    """Return the value of the first process, where each has looked at files that another one may be writing.

    Example:
        >>> agreed(True)
        True
    """
    return collect(value)[0]


@cache
def _patient_group(world: distributed.ProcessGroup | None) -> distributed.ProcessGroup:
    """All processes of a world, over sockets: the strategy's own group gives up after half an hour."""
    group = distributed.new_group(backend="gloo", timeout=PATIENCE)
    if not isinstance(group, distributed.ProcessGroup):
        raise TypeError(f"Expected a group of all processes, got {group}.")
    return group


def own_share(num_images: int) -> list[int]:
    """Positions of the images that this process works on.

    As every distributed sampler does, this repeats some images where the processes do not divide their number;
    `gather_images` removes them again.
    """
    if num_processes() == 1:
        return list(range(num_images))
    return list(DistributedSampler(TensorDataset(torch.empty(num_images)), shuffle=False))


def gather_images(values: Tensor, positions: Sequence[int]) -> Tensor:
    """Collect per-image values of all processes in the order of the images, each image once.

    Args:
        values: (n, ...) this process's values; all processes have equally many.
        positions: of these n images in the data set; a sampler may have repeated some.

    Returns:
        (N, ...) values of all images, the same on every process.

    Example:
        >>> gather_images(torch.tensor([30, 10, 20, 10]), [2, 0, 1, 0])
        tensor([10, 20, 30])
    """
    place = torch.tensor(positions, device=values.device)
    if num_processes() > 1:
        all_values = [torch.empty_like(values) for _ in range(num_processes())]
        all_places = [torch.empty_like(place) for _ in range(num_processes())]
        # the strategy's own group may know devices only
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
    """Print a sentence once, whatever the number of processes."""
    if is_writer():
        print(sentence)
