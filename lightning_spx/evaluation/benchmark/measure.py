"""Times calls in turns and finds their peak memory."""

import ctypes
import gc
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

Call = Callable[[], object]
MEBIBYTE = 2**20
OWN = "lightning_spx"
COLUMNS = [
    "section",
    "what",
    "by",
    "batch",
    "milliseconds",
    "quartile_low",
    "quartile_high",
    "peak_mib",
    "evaluations",
    "repeats",
]


@dataclass(frozen=True)
class Measurement:
    """One row of the table.

    Args:
        section: part of the table.
        what: what is computed, such as a method's name.
        by: whose implementation it is: ours, a peer's, or the floor that no implementation can beat.
        batch: number of images in a call.
        milliseconds: per image, one value for each turn.
        peak_mib: peak memory beyond what was held before, in MiB; None if the system does not tell.
        evaluations: number of gradient evaluations for each image.
    """

    section: str
    what: str
    by: str
    batch: int
    milliseconds: tuple[float, ...]
    peak_mib: float | None
    evaluations: int

    def row(self) -> dict[str, object]:
        """Return the row: median and quartiles over the repeats."""
        times = self.milliseconds
        low, _, high = statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else times * 3
        return {
            "section": self.section,
            "what": self.what,
            "by": self.by,
            "batch": self.batch,
            "milliseconds": statistics.median(times),
            "quartile_low": low,
            "quartile_high": high,
            "peak_mib": self.peak_mib,
            "evaluations": self.evaluations,
            "repeats": len(times),
        }


def measure(
    section: str,
    what: str,
    calls: Mapping[str, Call],
    images: int,
    *,
    turns: Iterable[int],
    device: torch.device,
    evaluations: int = 0,
) -> list[Measurement]:
    """Time several ways of computing the same thing in turns, so that a slow moment of the machine hits all of them.

    Args:
        section: part of the table.
        what: what is computed.
        calls: by their owners' names; each is called once to warm up, then once in each turn.
        images: number of images that a call works on; times are divided by it.
        turns: numbers of the turns; each turn starts with another call.
        device: finishes its work before the clock is read.
        evaluations: number of gradient evaluations for each image.

    Returns:
        A measurement of each call.
    """
    peaks = {by: peak_mebibytes(call, device) for by, call in calls.items()}
    times: dict[str, list[float]] = {by: [] for by in calls}
    for turn in turns:
        order = list(calls)
        for by in order[turn % len(order) :] + order[: turn % len(order)]:
            times[by].append(seconds(calls[by], device))
    return [
        Measurement(
            section, what, by, images, tuple(1000 * each / images for each in times[by]), peaks[by], evaluations
        )
        for by in calls
    ]


def seconds(call: Call, device: torch.device) -> float:
    """Return how long a call takes, until the device has finished.

    Example:
        >>> seconds(lambda: time.sleep(0.01), torch.device("cpu")) >= 0.01
        True
    """
    _wait(device)
    start = time.perf_counter()
    call()
    _wait(device)
    return time.perf_counter() - start


@contextmanager
def objects_set_aside() -> Iterator[None]:
    """Let `peak_mebibytes` look for garbage only among objects made inside; among all, that may take half a second."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def peak_mebibytes(call: Call, device: torch.device) -> float | None:
    """Call once and return the peak memory beyond what was held before, in MiB.

    On a GPU this is the allocator's count, on the CPU the resident memory of the process, which only Linux reports.
    """
    # garbage that is collected, or free memory that is reused, during the call would hide memory that the call takes
    gc.collect()
    release = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if release is not None:
        release(0)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        _wait(device)
        return (torch.cuda.max_memory_allocated(device) - before) / MEBIBYTE
    try:
        # resets the highest value
        Path("/proc/self/clear_refs").write_text("5")
        resident = _status("VmRSS")
        call()
        return (_status("VmHWM") - resident) / 1024
    except OSError:
        call()
        return None


def _status(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    if found is None:
        raise OSError(f"no {name} in /proc/self/status")
    return int(found[1])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
