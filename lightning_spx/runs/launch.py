"""How the work of a study is spread over independent starts of it: this one alone, a job array, or tasks of Ray."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from lightning import Trainer

from lightning_spx.runs.processes import start_processes
from lightning_spx.runs.ray_launch import run_units

Launcher = Literal["local", "ray"]
T = TypeVar("T")
# settings that say who does the work and change no number
OF_STARTS = ("unit", "launcher", "resources")
# tasks of a cluster: enough that one that is lost, or slow, matters little
MOST_TASKS = 64


@dataclass(frozen=True)
class Launch:
    """One start of a study.

    Args:
        unit: the share of the work that it does, such as "2/16", without collecting; None: all, and collect.
        launcher: `local` does the work here, `ray` has a cluster do it.
        resources: of each of Ray's tasks, such as `{"CPU": 4, "GPU": 1}`.
        again: starts the same study for a unit, elsewhere.
    """

    unit: str | None
    launcher: Launcher
    resources: Mapping[str, float] | None
    again: Callable[[str], object]

    def __post_init__(self) -> None:
        """Refuse what is no unit before there is a folder."""
        share_of([], self.unit)
        if self.resources and self.launcher != "ray":
            raise ValueError(f"Expected `launcher` ray with `resources` {dict(self.resources)}, got {self.launcher}.")

    @property
    def is_driver(self) -> bool:
        """Whether other starts do the work of this one."""
        return self.launcher == "ray" and self.unit is None

    @property
    def collects(self) -> bool:
        """Whether this start summarises what all of them have done."""
        return self.unit is None

    @property
    def shares(self) -> bool:
        """Whether other starts may work on the run at the same time."""
        return self.is_driver or not self.collects

    def prepare(self, trainer: Trainer) -> None:
        """Start the processes that a Trainer asks for.

        Raises:
            ValueError: a cluster's tasks start none, or its strategy ends them after each training.
        """
        if self.launcher == "local":
            start_processes(trainer)
        elif trainer.world_size > 1:
            raise ValueError(
                f"Expected one device for each unit of `launcher` ray, got {trainer.world_size}. "
                "Give `trainer.devices` 1; the units are what is spread."
            )

    def own(self, work: Sequence[T]) -> list[T]:
        """Return the part of the work that this start does itself, with all of its processes."""
        return [] if self.is_driver else share_of(work, self.unit)

    def hand_out(self, work: Sequence[T], is_missing: Callable[[T], bool]) -> None:
        """Have the cluster do the part of the work that is missing, if this start has one."""
        total = min(len(work), MOST_TASKS)
        units = [f"{number + 1}/{total}" for number in range(total)]
        if self.is_driver:
            missing = [unit for unit in units if any(map(is_missing, share_of(work, unit)))]
            run_units(self.again, missing, self.resources)


def share_of(items: Sequence[T], unit: str | None, *others: str) -> list[T]:
    """Return the items of share i of n, as in "2/16".

    Args:
        items: the work.
        unit: the share; None is all of them.
        others: further words that the setting may have, for the error.

    Raises:
        ValueError: it is no such share.

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
