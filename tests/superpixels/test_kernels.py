"""The kernels for a GPU, checked without one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lightning_spx.superpixels import slic


def test_the_interpreter_gives_what_tensors_give() -> None:
    pytest.importorskip("triton", reason="Triton comes with torch on Linux")
    # whether kernels are interpreted is decided when Triton is imported
    cases = Path(__file__).with_name("kernel_cases.py")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(cases)]
    run = subprocess.run(
        words, env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout
    assert "16 passed" in run.stdout


def test_without_triton_tensors_take_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "lightning_spx.superpixels.kernels", raising=False)
    slic._kernels.cache_clear()
    assert slic._kernels() is None
    slic._kernels.cache_clear()
