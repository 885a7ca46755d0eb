"""`spx rerun`: repeats a study from its folder, compares the numbers and lists possible causes of a difference."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console

from lightning_spx.evaluation.commands.run_differences import file_differences, record_differences
from lightning_spx.reporting.tables import print_table, text_table
from lightning_spx.runs.folder import CONFIG_FILE, RESULTS_FILE
from lightning_spx.runs.reading import read_config
from lightning_spx.runs.record import RECORD_FILE, STARTED_IN, read_finished, read_record


def rerun(run: str, start: Callable[[list[str]], None], out: str | None = None) -> bool:
    """Repeat a finished study from its configuration into another folder, and compare every number bit for bit.

    Args:
        run: folder of the study, wherever it is now.
        start: runs a command line, given as the words after `spx`.
        out: folder of the repetition; by default the name of the run folder with `-rerun` appended. A repetition that
            was stopped is resumed.

    Returns:
        Whether all numbers are the same.

    Raises:
        FileNotFoundError: the folder does not exist or holds no finished study, or a file that the study reads is gone.
        ValueError: the study was not started by `spx`, `out` is the run itself or holds something else, or a file is
            damaged.
    """
    first = Path(run)
    second = Path(out) if out else Path(f"{first.resolve()}-rerun")
    words = words_of(first, second)
    started_in = read_record(first / RECORD_FILE, of_study=True).get(STARTED_IN)
    was_there = (second / RESULTS_FILE).is_file()
    try:
        with modules_of(first, started_in):
            start(words)
    except FileNotFoundError as error:
        where = "" if started_in is None else f" It was started in {started_in}."
        raise FileNotFoundError(
            f"{error} Relative paths of a run start where it was started, and now in {Path.cwd()}.{where}"
        ) from error
    if getattr(rank_zero_only, "rank", 0):
        # only the first of several processes compares
        return True
    files = file_differences(first, second)
    causes = record_differences(read_record(first / RECORD_FILE, of_study=True), read_record(second / RECORD_FILE))
    _say(files, causes, first, second)
    if was_there:
        print(f"Nothing was computed again: {second} was finished before. Take another `out` to repeat the run now.")
    return not any(files.values())


@contextmanager
def modules_of(run: Path, started_in: object) -> Iterator[None]:
    """Find the user's own modules in the folder where a study was started, wherever it is repeated.

    Args:
        run: folder of the study.
        started_in: the folder that its record names; None in records of earlier versions, whose runs mostly lie in
            `runs/` of that folder.
    """
    named = started_in if isinstance(started_in, str) else str(run.resolve().parent.parent)
    # behind what is installed, as where a command is started, and before the folder of this start
    place = len(sys.path) - 1 if sys.path and sys.path[-1] == str(Path.cwd()) else len(sys.path)
    added = [] if named in sys.path else [named]
    sys.path[place:place] = added
    try:
        yield
    finally:
        for each in added:
            sys.path.remove(each)


def words_of(run: Path, out: Path) -> list[str]:
    """Return the words after `spx` that repeat a run in another folder.

    Args:
        run: folder of a finished study.
        out: the other folder.

    Raises:
        FileNotFoundError: the folder does not exist or holds no finished study.
        ValueError: the study was not started by `spx`, or `out` is the run itself.
    """
    record = read_finished(run)
    if out.resolve() == run.resolve():
        raise ValueError(f"Expected `out` to be another folder than that of the run, got {out}.")
    command = record.get("command")
    if not isinstance(command, str):
        raise ValueError(f"Expected {run / RECORD_FILE} to name the `command` of a study, got {command}.")
    config = read_config(run / CONFIG_FILE)
    if not isinstance(config.get("model"), Mapping):
        raise ValueError(
            f"Expected {run / CONFIG_FILE} to be of a run that `spx {command}` started, got one of Python code, which "
            "cannot be built from settings: repeat it with that code and another `out`."
        )
    return [command, f"--config={run / CONFIG_FILE}", f"--out={out}"]


def _say(files: Mapping[str, str], causes: Mapping[str, tuple[str, str]], first: Path, second: Path) -> None:
    console = Console()
    rows = [(name, difference or "equal bit for bit") for name, difference in files.items()]
    numbers = pd.DataFrame(rows, columns=["file", "difference"])
    print_table(console, text_table(numbers, "Numbers, first run and second"))
    if causes:
        recorded = pd.DataFrame(
            [(name, *values) for name, values in causes.items()], columns=["of the run", str(first), str(second)]
        )
        print_table(console, text_table(recorded, "What could make numbers differ"))
    differing = sum(map(bool, files.values()))
    same = f"All {len(files)} files of numbers are equal bit for bit"
    sentences = [f"{same}." if not differing else f"{differing} of {len(files)} files of numbers differ."]
    if not causes:
        sentences.append("The records of both runs name the same versions, machine, settings and data.")
    print(*sentences)
