"""What `run.json` says of a run: enough to repeat it, and to see what could make a repetition differ."""

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from lightning_spx.runs.environment import environment
from lightning_spx.runs.folder import CONFIG_FILE, RESULTS_FILE, RunFolder
from lightning_spx.runs.processes import is_writer
from lightning_spx.runs.reading import read_config, read_json
from lightning_spx.runs.settings import important_settings

RECORD_FILE = "run.json"
SETTINGS_HASH = "settings_sha256"
RESULTS_HASH = "results_sha256"
SCORES = ("test_accuracy", "auc")
ADVICE = "Remove it and start the same command again: what is finished is kept."


class RunRecord:
    """The record of a run, kept in its folder and continued when the run is taken up again.

    Args:
        run: the run's folder.
        content: what is known so far; plain values.
        shared: other starts work on the run at the same time; their environments are
            written down, their seconds are not.
    """

    def __init__(self, run: RunFolder, content: dict[str, Any], shared: bool = False) -> None:
        self.run = run
        self.content = content
        self.shared = shared
        # where this start runs, whatever the record says of others
        self.environment = environment()
        self._last = time.perf_counter()

    @classmethod
    def open(cls, run: RunFolder, identity: Mapping[str, object], shared: bool = False) -> Self:
        """Start the record, or go on with that of an earlier start.

        Args:
            run: the run's folder.
            identity: what must be the same at every start, of the data above all; plain values.
            shared: other starts work on the run at the same time.

        Raises:
            ValueError: the earlier start saw other data.
        """
        path = run.path / RECORD_FILE
        earlier = read_record(path) if path.is_file() else {}
        for name, value in identity.items():
            if earlier.get(name, value) != value:
                raise ValueError(
                    f"Expected the {name} of the run to be {earlier[name]} as recorded in {path}, got {value}."
                )
        # the other processes may be here before the first one has written the file
        settings = settings_hash(run.path) if is_writer() else ""
        if is_writer():
            check_settings(run.path, earlier, settings)
        kept: dict[str, Any] = {name: earlier[name] for name in ("models", "seconds") if name in earlier}
        record = cls(run, {}, shared)
        now = record.environment
        # a run may be taken up again elsewhere: its numbers then come from more than one environment
        before = {name: earlier[name] for name in now if name in earlier}
        environments = earlier.get("earlier_starts", [])
        record.content = {
            **{"models": {}, "seconds": {}, **kept, **identity, **now},
            **{"earlier_starts": environments, SETTINGS_HASH: settings},
        }
        if before:
            record.add_environment(before)
        if is_writer() and not (shared and path.is_file()):
            run.write_json(RECORD_FILE, record.content)
        return record

    def add_environment(self, here: Mapping[str, object]) -> None:
        """Name where another start has made some of the numbers, unless that is here or known."""
        environments = self.content["earlier_starts"]
        if here and here != self.environment and here not in environments:
            self.content["earlier_starts"] = [*environments, dict(here)]

    def lap(self, stage: str) -> None:
        """Add the seconds since the last lap to a stage, summed over the starts of the run, and save."""
        self.count(stage)
        self.save()

    def count(self, stage: str) -> None:
        """Do as `lap`, without saving."""
        now = time.perf_counter()
        seconds = self.content["seconds"]
        seconds[stage] = round(seconds.get(stage, 0.0) + now - self._last, 3)
        self._last = now

    def note_results(self) -> None:
        """Note the hash of `results.csv`, so that a page is made of no other."""
        self.content[RESULTS_HASH] = _sha256(self.run.path / RESULTS_FILE)

    def save(self) -> None:
        """Write the record, whole."""
        if is_writer() and not self.shared:
            self.run.write_json(RECORD_FILE, self.content)


def read_record(path: Path, of_study: bool = False) -> dict[str, Any]:
    """Read `run.json`.

    Args:
        path: the file.
        of_study: whether it has to name a study's seed, which a benchmark has not.

    Raises:
        ValueError: it is damaged, or something in it is of another kind; names the file.
    """
    record = read_json(path)
    seed = record.get("seed", None if of_study else 0)
    if not isinstance(record.get("models"), dict) or not isinstance(seed, int):
        raise ValueError(f"Expected a run's record in {path}, with `models` and `seed`, got another. {ADVICE}")
    parts: dict[str, tuple[list[Any], type | tuple[type, ...]]] = {
        "models": (list(record["models"].values()), dict),
        "seconds": (_values(record, "seconds", dict), (int, float)),
        "versions": (_values(record, "versions", dict), (str, type(None))),
        "splits": (_values(record, "splits", list), str),
        "names": (_values(record, "names", list), str),
        "earlier_starts": (_values(record, "earlier_starts", list), dict),
    }
    for name, (values, kind) in parts.items():
        if not all(isinstance(value, kind) for value in values):
            raise ValueError(f"Expected a run's record in {path}, got other `{name}` than a run writes. {ADVICE}")
    for model in record["models"].values():
        if not all(isinstance(model[name], int | float) for name in SCORES if name in model):
            raise ValueError(f"Expected a run's record in {path}, got scores of a model that are no numbers. {ADVICE}")
    return record


def read_finished(run: Path) -> dict[str, Any]:
    """Read the record of a finished study.

    Args:
        run: folder of the study.

    Raises:
        FileNotFoundError: the folder is missing, is no run's, or the study has not come to its end.
        ValueError: a file is damaged, or the settings are not those that the study was started with.
    """
    for name in (CONFIG_FILE, RECORD_FILE, RESULTS_FILE):
        if not (run / name).is_file():
            advice = " Run the study with the same settings to its end." if run.is_dir() else ""
            raise FileNotFoundError(f"Expected `run` to be a finished study, found no {run / name}.{advice}")
    record = read_record(run / RECORD_FILE, of_study=True)
    check_settings(run, record, settings_hash(run))
    return record


def _values(record: Mapping[str, Any], name: str, kind: type) -> list[Any]:
    """What a part of the record holds; the part itself, which is no value of it, if it is of another kind."""
    part = record.get(name, kind())
    if isinstance(part, dict) and kind is dict:
        return list(part.values())
    return list(part) if isinstance(part, list) and kind is list else [object()]


def settings_hash(run: Path) -> str:
    """Return the SHA-256 of the settings in a run's `config.yaml` that change numbers, wherever the run is."""
    settings = important_settings(read_config(run / CONFIG_FILE))
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def check_settings(run: Path, record: Mapping[str, Any], found: str) -> None:
    """Raise a ValueError that names `config.yaml` if it no longer holds the settings that its run was started with.

    Args:
        run: folder of the run.
        record: what `run.json` says.
        found: the hash of what `config.yaml` says now.
    """
    if record.get(SETTINGS_HASH, found) != found:
        raise ValueError(
            f"Expected {run / CONFIG_FILE} with the settings that the run was started with, got others: it is damaged, "
            "or was edited."
        )


def check_results(run: Path, record: Mapping[str, Any]) -> None:
    """Raise a ValueError that names `results.csv` if it is not as the run has written it."""
    if record.get(RESULTS_HASH) not in (None, _sha256(run / RESULTS_FILE)):
        raise ValueError(
            f"Expected {run / RESULTS_FILE} as the run has written it, got another: it is damaged, or was edited. "
            "Start the study again, which writes it from what is finished."
        )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
