"""Runs test cases of kernels for a GPU in Triton's interpreter, on a CPU."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


def number_passed(cases: Path) -> int:
    """Run pytest on a file in a process of its own and return how many cases passed; none may fail."""
    pytest.importorskip("triton", reason="Triton comes with torch on Linux")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(cases)]
    # whether kernels are interpreted is decided when Triton is imported
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    run = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    found = re.search(r"(\d+) passed", run.stdout)
    return int(found[1]) if found else 0
