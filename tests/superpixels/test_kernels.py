"""The kernels for a GPU, checked without one."""

import sys
from pathlib import Path

import pytest

from lightning_spx.superpixels import slic
from tests.interpreted import number_passed


def test_the_interpreter_gives_what_tensors_give() -> None:
    cases = Path(__file__).with_name("kernel_cases.py")
    assert number_passed(cases, "lightning_spx.superpixels.kernels") == 16


def test_without_triton_tensors_take_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "lightning_spx.superpixels.kernels", raising=False)
    slic._kernels.cache_clear()
    assert slic._kernels() is None
    slic._kernels.cache_clear()
