"""Runs test cases of kernels for a GPU in Triton's interpreter, on a CPU."""

import importlib
import os
import sys
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tests.processes import COPIES


def number_passed(cases: Path, kernels: str) -> int:
    """Run pytest on a file in a process of its own and return how many cases passed; none may fail.

    Args:
        cases: the file.
        kernels: the module that is interpreted there.
    """
    if find_spec("triton") is None:
        pytest.skip("Triton comes with torch on Linux")
    receiver, sender = COPIES.Pipe(duplex=False)
    process = COPIES.Process(target=_interpret, args=(cases, kernels, sender), daemon=True)
    process.start()
    sender.close()
    process.join(timeout=300)
    assert process.exitcode == 0
    found: int = receiver.recv()
    return found


class _Passed:
    """Count the cases that pass."""

    def __init__(self) -> None:
        self.number = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.number += report.when == "call" and report.passed


def _interpret(cases: Path, kernels: str, sender: Connection) -> None:
    # whether kernels are interpreted is decided when Triton, and then they, are imported
    os.environ["TRITON_INTERPRET"] = "1"
    for name in list(sys.modules):
        if name.partition(".")[0] == "triton" and not name.startswith("triton._C"):
            del sys.modules[name]
    importlib.reload(importlib.import_module(kernels))
    passed = _Passed()
    code = pytest.main(["-q", "-p", "no:cacheprovider", "--noconftest", str(cases)], plugins=[passed])
    sender.send(passed.number)
    sys.exit(code)
