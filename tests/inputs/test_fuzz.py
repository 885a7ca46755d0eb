"""Minutes of files that atheris makes up, for every reader of files."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

READERS = ("image", "npy", "npz", "png", "checkpoint", "splits")
needs_atheris = pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="needs atheris")


def fuzzed(reader: str, seconds: int) -> int:
    """How many files were tried, after a check that each was read or refused by name."""
    words = [sys.executable, "-m", "tests.inputs.fuzz", reader, str(seconds)]
    run = subprocess.run(words, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    found = re.search(r"number_of_executed_units:\s*(\d+)", run.stderr)
    assert found is not None, run.stderr[-2000:]
    return int(found[1])


@needs_atheris
@pytest.mark.parametrize("reader", ["image"])
def test_a_few_seconds_of_fuzzing_find_nothing(reader: str) -> None:
    assert fuzzed(reader, 3) > 0


@needs_atheris
@pytest.mark.soak
@pytest.mark.parametrize("reader", READERS)
def test_minutes_of_fuzzing_find_nothing(reader: str) -> None:
    assert fuzzed(reader, 180) > 0
