"""`spx rerun`: repeats a study from its folder, compares the numbers and lists possible causes of a difference."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console

from lightning_spx.evaluation.commands.run_differences import file_differences, record_differences
from lightning_spx.reporting.tables import print_table, text_table
from lightning_spx.runs.folder import CONFIG_FILE, RESULTS_FILE
from lightning_spx.runs.reading import read_config
from lightning_spx.runs.record import RECORD_FILE, read_finished, read_record


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
    was_there = (second / RESULTS_FILE).is_file()
    try:
        start(words)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{error} Relative paths of a run start where it was started, and now in {Path.cwd()}."
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
