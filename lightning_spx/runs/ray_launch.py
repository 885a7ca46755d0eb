"""Runs the units of a study as tasks of a Ray cluster, which restarts a task whose worker dies."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from rich.progress import track

# a unit that fails this often after its first attempt is reported as failed
RETRIES = 2
# Ray has options of their own for these resources; users may write them in any case
COUNTED = {"cpu": "CPU", "gpu": "GPU"}


def run_units(
    start: Callable[[str], object], units: Sequence[str], resources: Mapping[str, float] | None = None
) -> None:
    """Run units on the cluster that Ray finds (`RAY_ADDRESS`, or one on this machine), or on a new local one.

    Args:
        start: does the work of a unit, such as "2/16"; Ray sends it to the workers, which must see the same files.
        units: the units to run.
        resources: what each unit gets, such as `{"CPU": 4, "GPU": 1}`; by default one CPU.

    Raises:
        ValueError: Ray is not installed, or this machine lacks the resources of a single unit.
        ChildProcessError: some units kept failing; raised when all others are finished, and names the failed ones.
    """
    if not units:
        return
    if find_spec("ray") is None:
        raise ValueError(
            "Expected Ray for `launcher` ray, found none. Install it: python -m pip install 'lightning_spx[ray]'."
        )
    import ray  # optional, and slow to import

    if not ray.is_initialized():
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    needed = {COUNTED.get(name.lower(), name): amount for name, amount in (resources or {"CPU": 1}).items()}
    available = ray.cluster_resources()
    short = {name: available.get(name, 0) for name, amount in needed.items() if amount > available.get(name, 0)}
    # a cluster on other machines may still grow
    if short and "RAY_ADDRESS" not in os.environ:
        raise ValueError(f"Expected `resources` of a unit that this machine has, got {needed}: it has {short}.")
    task = ray.remote(_start).options(
        num_cpus=needed.pop("CPU", 1),
        num_gpus=needed.pop("GPU", 0),
        resources=needed,
        max_retries=RETRIES,
        retry_exceptions=True,
    )
    # stored once for all units
    shared = ray.put(start)
    pending = {task.remote(shared, str(Path.cwd()), unit): unit for unit in units}
    failed: dict[str, str] = {}
    for _ in track(units, f"{len(units)} units on Ray", transient=True):
        done, _ = ray.wait(list(pending), num_returns=1)
        unit = pending.pop(done[0])
        try:
            ray.get(done[0])
        except ray.exceptions.RayError as error:
            failed[unit] = _reason(error)
    if failed:
        told = "; ".join(f"unit {unit}: {reason}" for unit, reason in failed.items())
        raise ChildProcessError(
            f"Expected {len(units)} units to finish, but {len(failed)} failed {RETRIES + 1} times: {told}. "
            "The others are finished and kept; the same command tries these again."
        )


def _start(start: Callable[[str], object], folder: str, unit: str) -> None:
    """Do the work of a unit in a worker, where relative paths start in the driver's folder."""
    os.chdir(folder)
    start(unit)


def _reason(error: Exception) -> str:
    """Return one line that says why a unit failed, without the worker's traceback."""
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return f"{type(cause).__name__}: {lines[0] if lines else ''}"[:300]
