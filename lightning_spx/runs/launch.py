"""How independent starts share the work of a study: one start alone, the jobs of an array, or tasks of Ray.

A *unit* is a share i/n of the work, such as "2/16". Starts with different units do different parts of the same run; the
start without a unit does what is left and collects the results.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from lightning import Trainer

from lightning_spx.runs.processes import start_processes
from lightning_spx.runs.ray_launch import run_units

Launcher = Literal["local", "ray"]
T = TypeVar("T")
# these settings say who does the work; they change no number
OF_STARTS = ("unit", "launcher", "resources")
# of a cluster: so many that a slow task, or one that is lost, costs little
MOST_TASKS = 64


@dataclass(frozen=True)
class Launch:
    """One start of a study.

    Args:
        unit: the share of the work that this start does without collecting, such as "2/16"; None does all and collects.
        launcher: `local` does the work here, `ray` on a cluster.
        resources: what each task of Ray gets, such as `{"CPU": 4, "GPU": 1}`.
        again: starts the same study for a unit, in a worker of the cluster.
    """

    unit: str | None
    launcher: Launcher
    resources: Mapping[str, float] | None
    again: Callable[[str], object]

    def __post_init__(self) -> None:
        """Refuse a wrong unit before the run's folder is made."""
        share_of([], self.unit)
        if self.resources and self.launcher != "ray":
            raise ValueError(f"Expected `launcher` ray with `resources` {dict(self.resources)}, got {self.launcher}.")

    @property
    def is_driver(self) -> bool:
        """Whether this start only hands its work to a cluster."""
        return self.launcher == "ray" and self.unit is None

    @property
    def collects(self) -> bool:
        """Whether this start summarizes what all starts have done."""
        return self.unit is None

    @property
    def shares(self) -> bool:
        """Whether other starts may work on the run at the same time."""
        return self.is_driver or not self.collects

    def prepare(self, trainer: Trainer) -> None:
        """Start the processes that a Trainer asks for.

        Raises:
            ValueError: the study runs on a cluster, whose tasks have one process each, or the Trainer's strategy would
                start new processes for each training.
        """
        if self.launcher == "local":
            start_processes(trainer)
        elif trainer.world_size > 1:
            raise ValueError(
                f"Expected one device for each task of `launcher` ray, got {trainer.world_size}. "
                "Set `trainer.devices` to 1: Ray runs several tasks at a time."
            )

    def own(self, work: Sequence[T]) -> list[T]:
        """Return the part of the work that this start does itself, with all of its processes."""
        return [] if self.is_driver else share_of(work, self.unit)

    def hand_out(self, work: Sequence[T], is_missing: Callable[[T], bool]) -> None:
        """Have the cluster do the missing part of the work, if this start has a cluster."""
        total = min(len(work), MOST_TASKS)
        units = [f"{number + 1}/{total}" for number in range(total)]
        if self.is_driver:
            missing = [unit for unit in units if any(map(is_missing, share_of(work, unit)))]
            run_units(self.again, missing, self.resources)


def share_of(items: Sequence[T], unit: str | None, *others: str) -> list[T]:
    """Return the items of share i of n, as in "2/16".

    Args:
        items: the work.
        unit: the share; None takes all items.
        others: other values that the setting may have, for the error.

    Raises:
        ValueError: `unit` is no such share.

    Example:
        >>> share_of(["a", "b", "c"], "1/2"), share_of(["a", "b", "c"], "2/2"), share_of(["a"], None)
        (['a', 'c'], ['b'], ['a'])
    """
    if unit is None:
        return list(items)
    number, slash, total = unit.partition("/")
    if not (slash and number.isdecimal() and total.isdecimal() and 1 <= int(number) <= int(total)):
        words = "".join(f", or {other!r}" for other in others)
        raise ValueError(f"Expected `unit` to be a share such as '2/16'{words}, got {unit!r}.")
    return list(items)[int(number) - 1 :: int(total)]
