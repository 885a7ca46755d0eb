"""What a process holds: tensors, figures, files, threads, objects and memory; and what a repeated call adds to it."""

import ctypes
import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields

import matplotlib.pyplot as plt
import psutil
from matplotlib.figure import Figure
from torch import Tensor


@dataclass(frozen=True)
class Held:
    """Counts, and resident memory in bytes; or a difference of two."""

    tensors: int
    figures: int
    files: int
    threads: int
    objects: int
    resident: int

    def __sub__(self, other: "Held") -> "Held":
        """Return what was added since."""
        return Held(*(getattr(self, each.name) - getattr(other, each.name) for each in fields(self)))


def held() -> Held:
    """Count after everything that nobody refers to is gone."""
    gc.collect()
    if sys.platform == "linux":  # what was freed goes back to the system, or it would count as held
        ctypes.CDLL(None).malloc_trim(0)
    process = psutil.Process()
    # of the class itself: `isinstance` would ask lazy stand-ins of other libraries, which import what they stand for
    objects = gc.get_objects()
    kinds = [type(each) for each in objects]
    return Held(
        tensors=sum(issubclass(kind, Tensor) for kind in kinds),
        figures=sum(issubclass(kind, Figure) for kind in kinds) + len(plt.get_fignums()),
        files=len(process.open_files()) + len(process.net_connections()),
        threads=process.num_threads(),
        objects=len(objects),
        resident=process.memory_info().rss,
    )


def added(call: Callable[[int], None], evaluations: int, warm_up: int) -> Held:
    """Return what `evaluations` calls with 0, 1, 2, ... add to what is held after `warm_up` others."""
    gc.collect()
    gc.freeze()  # what is there already is not looked through again and again
    try:
        for number in range(warm_up):
            call(number)
        before = held()
        for number in range(evaluations):
            call(number)
        return held() - before
    finally:
        gc.unfreeze()
