"""Which files are taken for a reference, and what is read of them."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_spx.evaluation.maps.references import read_reference
from tests.evaluation.maps.explained_cases import Convolutional, WithExtraState, WithMetrics, pair, saved


def test_a_reference_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"Expected a checkpoint at .*none\.ckpt, found none"):
        read_reference(tmp_path / "none.ckpt", Convolutional())


def test_a_damaged_reference_is_named(tmp_path: Path) -> None:
    path = saved(Convolutional(), tmp_path / "half.ckpt")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"Expected a Lightning checkpoint with a `state_dict`, got .*half\.ckpt"):
        read_reference(path, Convolutional())


class Payload:
    """What a malicious file holds: reading it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_reference_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save(
        {"state_dict": Convolutional().state_dict(), "more": Payload(tmp_path / "trace")}, tmp_path / "evil.ckpt"
    )
    with pytest.raises(ValueError, match=r"got .*evil\.ckpt: Trying to load unsupported GLOBAL \w+\.mkdir"):
        read_reference(tmp_path / "evil.ckpt", Convolutional())
    assert not (tmp_path / "trace").exists()


def without(state: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in state.items() if key != name}


STATE = Convolutional().state_dict()
MISMATCHES: dict[str, tuple[dict[str, Any], str]] = {
    "other classes": (
        STATE | {"head.2.weight": torch.zeros(9, 256)},
        r"head\.2\.weight of shape \(9, 256\) for \(5, 256\)",
    ),
    "missing": (without(STATE, "head.2.bias"), r"missing head\.2\.bias"),
    "missing buffer": (without(STATE, "net.1.running_mean"), r"missing net\.1\.running_mean"),
    "more": (STATE | {"ema.weight": torch.zeros(1)}, r"unexpected ema\.weight"),
    "prefixed": (
        {f"model.{name}": value for name, value in STATE.items()},
        r"missing net.* and 6 more; unexpected model\.net",
    ),
    "no tensor": (STATE | {"head.2.bias": "zero"}, r"head\.2\.bias of type str for \(5,\)"),
    "nothing": ({}, r"missing net\.0\.weight"),
}


@pytest.mark.parametrize(("state", "message"), MISMATCHES.values(), ids=list(MISMATCHES))
def test_a_reference_of_another_architecture_is_named(state: dict[str, Any], message: str, tmp_path: Path) -> None:
    torch.save({"state_dict": state}, tmp_path / "other.ckpt")
    expected = rf"Expected the reference .*other\.ckpt to fit Convolutional, got {message}"
    with pytest.raises(ValueError, match=expected):
        read_reference(tmp_path / "other.ckpt", Convolutional())


def test_what_is_neither_weight_nor_buffer_stays_the_modules_own(tmp_path: Path) -> None:
    for make in (WithMetrics, WithExtraState):
        module, other = pair(make)
        names = set(read_reference(saved(other, tmp_path / "other.ckpt"), module))
        assert names == set(Convolutional().state_dict())
        assert set(module.state_dict()) > names
