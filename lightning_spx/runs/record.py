"""The record of a run, `run.json`: enough to repeat the run, and to see why a repetition might differ."""

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from lightning_spx.runs.environment import environment
from lightning_spx.runs.folder import ANSWER_FILE, CONFIG_FILE, RESULTS_FILE, RunFolder
from lightning_spx.runs.processes import is_writer
from lightning_spx.runs.reading import read_config, read_json
from lightning_spx.runs.settings import important_settings

RECORD_FILE = "run.json"
SETTINGS_HASH = "settings_sha256"
RESULTS_HASH, ANSWER_HASH = "results_sha256", "answer_sha256"
# the folder in which the first start was made: a user's modules and relative paths are found from there
STARTED_IN = "started_in"
SCORES = ("test_accuracy", "auc")
ADVICE = "Remove it and start the same command again: what is finished is kept."


class RunRecord:
    """The record of a run, kept in its folder and continued when the run is taken up again.

    Args:
        run: the run's folder.
        content: what is known so far, as plain values.
        shared: whether other starts work on the run at the same time; the record then names their environments, but
            counts no seconds.
    """

    def __init__(self, run: RunFolder, content: dict[str, Any], shared: bool = False) -> None:
        self.run = run
        self.content = content
        self.shared = shared
        # of this start; the record may name those of others
        self.environment = environment()
        # whether the results and the answer in the folder are those of an earlier start of the same code
        self.concluded = False
        self._last = time.perf_counter()

    @classmethod
    def open(cls, run: RunFolder, identity: Mapping[str, object], shared: bool = False) -> Self:
        """Begin the record, or continue the one of an earlier start.

        Args:
            run: the run's folder.
            identity: plain values that must be the same at every start, above all those of the data.
            shared: whether other starts work on the run at the same time.

        Raises:
            ValueError: an earlier start recorded another identity, such as other data.
        """
        path = run.path / RECORD_FILE
        earlier = read_record(path) if path.is_file() else {}
        for name, value in identity.items():
            if earlier.get(name, value) != value:
                raise ValueError(
                    f"Expected the {name} of the run to be {earlier[name]} as recorded in {path}, got {value}."
                )
        # only the first process reads the settings: the others may get here before it has written them
        settings = settings_hash(run.path) if is_writer() else ""
        if is_writer():
            check_settings(run.path, earlier, settings)
        kept: dict[str, Any] = {name: earlier[name] for name in ("models", "seconds") if name in earlier}
        record = cls(run, {}, shared)
        now = record.environment
        # a run that is taken up again elsewhere has numbers from more than one environment
        before = {name: earlier[name] for name in now if name in earlier}
        environments = earlier.get("earlier_starts", [])
        record.content = {
            **{"models": {}, "seconds": {}, **kept, **identity, **now},
            **{"earlier_starts": environments, SETTINGS_HASH: settings},
            STARTED_IN: earlier.get(STARTED_IN, str(Path.cwd())),
        }
        if before:
            record.add_environment(before)
        record.concluded = before == now and all(
            (run.path / name).is_file() and earlier.get(key) == _sha256(run.path / name)
            for key, name in ((RESULTS_HASH, RESULTS_FILE), (ANSWER_HASH, ANSWER_FILE))
        )
        if is_writer() and not (shared and path.is_file()):
            run.write_json(RECORD_FILE, record.content)
        return record

    def add_environment(self, here: Mapping[str, object]) -> None:
        """Add the environment in which another start made some of the numbers, unless it is this one or known."""
        environments = self.content["earlier_starts"]
        if here and here != self.environment and here not in environments:
            self.content["earlier_starts"] = [*environments, dict(here)]

    def lap(self, stage: str) -> None:
        """Add the seconds since the last lap to a stage, whose seconds add up over all starts, and save the record."""
        self.count(stage)
        self.save()

    def count(self, stage: str) -> None:
        """Add the seconds since the last lap to a stage without saving the record."""
        now = time.perf_counter()
        seconds = self.content["seconds"]
        seconds[stage] = round(seconds.get(stage, 0.0) + now - self._last, 3)
        self._last = now

    def note_results(self) -> None:
        """Record the hashes of the results and of the answer, so that `spx report` can refuse a changed file."""
        self.content[RESULTS_HASH] = _sha256(self.run.path / RESULTS_FILE)
        self.content[ANSWER_HASH] = _sha256(self.run.path / ANSWER_FILE)

    def save(self) -> None:
        """Write the record, whole or not at all, if this process is the one to do so."""
        if is_writer() and not self.shared:
            self.run.write_json(RECORD_FILE, self.content)


def read_record(path: Path, of_study: bool = False) -> dict[str, Any]:
    """Read `run.json`.

    Args:
        path: the file.
        of_study: require the seed of a study, which a benchmark does not have.

    Raises:
        ValueError: the file is damaged, or a part of it has another type; the error names the file.
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
    """Return the values in a part of the record; if the part has another type, one value that no check accepts."""
    part = record.get(name, kind())
    if isinstance(part, dict) and kind is dict:
        return list(part.values())
    return list(part) if isinstance(part, list) and kind is list else [object()]


def settings_hash(run: Path) -> str:
    """Return the SHA-256 of the settings in a run's `config.yaml` that change numbers, wherever the folder is."""
    settings = important_settings(read_config(run / CONFIG_FILE))
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def check_settings(run: Path, record: Mapping[str, Any], found: str) -> None:
    """Raise a ValueError that names `config.yaml` unless it holds the settings that its run was started with.

    Args:
        run: folder of the run.
        record: content of `run.json`.
        found: hash of the settings that `config.yaml` holds now.
    """
    if record.get(SETTINGS_HASH, found) != found:
        raise ValueError(
            f"Expected {run / CONFIG_FILE} with the settings that the run was started with, got others: it is damaged, "
            "or was edited."
        )


def check_results(run: Path, record: Mapping[str, Any]) -> None:
    """Raise a ValueError that names `results.csv` or `verdicts.json` unless it is as the run wrote it."""
    for key, name in ((RESULTS_HASH, RESULTS_FILE), (ANSWER_HASH, ANSWER_FILE)):
        # earlier versions recorded no answer
        if key in record and not ((run / name).is_file() and record[key] == _sha256(run / name)):
            raise ValueError(
                f"Expected {run / name} as the run has written it, got another: it is damaged, or was edited. "
                "Start the study again, which writes it from what is finished."
            )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
