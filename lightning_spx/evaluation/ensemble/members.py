"""Finds the models whose maps are averaged: checkpoints that a user names, or those of a run of `spx stability`."""

import re
from collections.abc import Sequence
from pathlib import Path

from lightning_spx.evaluation.training.named_networks import stems_or_paths
from lightning_spx.runs.folder import CONFIG_FILE
from lightning_spx.runs.reading import read_config

# two groups of two models each
LEAST_MODELS = 4


def member_files(run: str | None, checkpoints: Sequence[str] | None) -> dict[str, Path]:
    """Return the checkpoint of each model, by a name for tables.

    Args:
        run: folder of a run of `spx stability`.
        checkpoints: files of weights, in the place of a run.

    Raises:
        ValueError: both are given or none, there are fewer than four models, or the run's models are no classifiers
            of one architecture.
        FileNotFoundError: the folder does not exist or is no run's.
    """
    if (run is None) == (not checkpoints):
        got = "none" if run is None else "both"
        raise ValueError(f"Expected `run`, a folder of `spx stability`, or `checkpoints`, got {got}.")
    paths = _files_of(Path(run)) if run is not None else [Path(file) for file in checkpoints or []]
    if len(paths) < LEAST_MODELS:
        where = "`checkpoints`" if run is None else f"the run {run}"
        raise ValueError(
            f"Expected at least {LEAST_MODELS} models in {where}, so that means of two can be compared, got "
            f"{len(paths)}: train more with `spx stability --data.num_parts {LEAST_MODELS}`."
        )
    return dict(zip(stems_or_paths(paths), paths, strict=True))


def _files_of(run: Path) -> list[Path]:
    config_file = run / CONFIG_FILE
    if not config_file.is_file():
        raise FileNotFoundError(f"Expected `run` to be a folder of `spx stability`, found no {config_file}.")
    config = read_config(config_file)
    for name, found in (("models", "several architectures"), ("part", "discriminators")):
        if config.get(name):
            raise ValueError(f"Expected `run` to have classifiers of one architecture, got {found} in {run}.")
    if config.get("checkpoints"):
        return [Path(file) for file in config["checkpoints"]]
    return sorted((run / "checkpoints").glob("*.ckpt"), key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort the tenth model behind the second."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.stem)]
