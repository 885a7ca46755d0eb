"""Configurations with a value of another type: one line that names the setting, from every command."""

import json
from argparse import ArgumentError
from pathlib import Path

import pytest

from lightning_spx.cli import COMMANDS
from lightning_spx.cli import error_line as of_errors
from tests.command_line import Captured, refusal
from tests.inputs.wrong_settings import CONFIGS, TABLE, Parse, Wrong, parser_of, sources, with_value, wrong_settings

WITH_SETTINGS = ["fit", *(command for command in COMMANDS if command not in ("report", "rerun"))]
# words of theirs are files or names, and any word may be one
FREE = {"weights", "out", "device", "accelerator", "devices", "strategy", "precision", "logger", "callbacks", "ckpt"}


@pytest.fixture(autouse=True)
def networks_by_import_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(CONFIGS / "networks"))
    monkeypatch.chdir(tmp_path)


def check(parse: Parse, settings: object, wrong: Wrong, capsys: Captured) -> None:
    if wrong.names[0] in FREE and isinstance(wrong.value, str):
        return
    if "dict_kwargs" in wrong.keys:
        # only the builder of the network knows what it takes
        return
    # what `main` catches of a parser, and what it makes of it
    with pytest.raises((ArgumentError, ValueError, TypeError, OSError)) as caught:
        parse(with_value(settings, wrong.keys, wrong.value))
    printed = of_errors.refusal(caught.value)
    assert of_errors.is_foreseen(caught.value)
    assert len(printed.splitlines()) == 1
    assert any(name in printed for name in wrong.names), (wrong, printed)


@pytest.mark.parametrize("command", WITH_SETTINGS)
def test_a_value_of_another_type_is_refused_with_the_setting(command: str, capsys: Captured) -> None:
    parse, settings = parser_of(command), sources(command)
    for wrong in wrong_settings(command, every=False):
        check(parse, settings[wrong.source], wrong, capsys)


@pytest.mark.soak
@pytest.mark.parametrize("command", WITH_SETTINGS)
def test_every_value_of_any_other_type_is_refused_with_the_setting(command: str, capsys: Captured) -> None:
    parse, settings = parser_of(command), sources(command)
    for wrong in wrong_settings(command, every=True):
        check(parse, settings[wrong.source], wrong, capsys)


def test_the_command_line_refuses_a_file_with_such_a_value(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["spx"])
    for command, source, keys in (
        ("fit", "cub", ("trainer", "max_epochs")),
        ("stability", "synthetic", ("num_images",)),
        ("segment", "defaults", ("superpixels", 0, "class_path")),
    ):
        Path("config.yaml").write_text(json.dumps(with_value(sources(command)[source], keys, TABLE)))
        assert str(keys[-1 if keys[-1] != "class_path" else 0]) in refusal(
            capsys, [command, "--config=config.yaml", "a.png"]
        )
