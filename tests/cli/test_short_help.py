"""The short help: it fits on a screen, and says what the parsers say."""

import subprocess
import sys
from typing import Any

import pytest
from jsonargparse import ArgumentParser
from lightning import LightningDataModule, LightningModule
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI

from lightning_spx.cli import COMMANDS, main
from lightning_spx.cli.help_texts import HELP, LIGHTNING
from lightning_spx.cli.short_help import overview, short_help
from tests.command_line import Captured, printed, refusal


class Stopped(LightningCLI):
    """Lightning's command line, stopped before it parses."""

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        raise StopIteration(parser)


def parser_of(command: str) -> ArgumentParser:
    if command not in LIGHTNING:
        return COMMANDS[command][0]()
    try:
        Stopped(LightningModule, LightningDataModule, subclass_mode_model=True, subclass_mode_data=True)
    except StopIteration as stopped:
        (action,) = (each for each in stopped.value._actions if each.dest == "subcommand")
        parser = action.choices[command]
        assert isinstance(parser, ArgumentParser)
        return parser
    raise AssertionError("Lightning's command line has parsed nothing.")


def shown(value: Any) -> str:  # noqa: ANN401
    """A default as the short help shows it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    if isinstance(value, dict) or hasattr(value, "class_path"):
        return str(value["class_path"]).rpartition(".")[2]
    return str(value).rpartition(".")[2] if str(value).startswith("torchvision.") else str(value)


@pytest.mark.parametrize("command", HELP)
def test_settings_and_defaults_are_those_of_the_parser(command: str) -> None:
    parser = parser_of(command)
    defaults = parser.get_defaults()
    names = {option.removeprefix("--") for option in parser._option_string_actions}
    for setting in HELP[command].settings:
        if not setting.option:
            assert setting.name in {action.dest for action in parser._actions if not action.option_strings}
        elif command == "bench" and setting.name == "network.network":
            assert shown(defaults["network"]["network"]) == setting.default
        else:
            assert setting.name in names
            assert shown(defaults.get(setting.name)) == setting.default, setting.name
    # every setting of an example is one of the command's, or of a class that it names
    for example in HELP[command].examples:
        for word in example.split():
            if word.startswith("--") and "." not in word:
                assert word.removeprefix("--").partition("=")[0] in names, example


@pytest.mark.parametrize("columns", ["80", "120"])
@pytest.mark.parametrize("command", HELP)
def test_help_fits_on_a_screen(command: str, columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    lines = short_help(command).splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= int(columns)
    assert len(HELP[command].examples) == 3
    assert lines[-1] == f"All settings: spx {command} --help all"


def test_the_overview_names_every_command_in_a_line_and_the_way_in_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = overview().splitlines()
    assert max(map(len, lines)) <= 80
    named = [line.split()[0] for line in lines if line.startswith("  ")]
    assert named[0] == "stability"
    assert sorted(named) == sorted([*COMMANDS, *LIGHTNING, "methods", "superpixels", "metrics"])
    assert set(HELP) == {*COMMANDS, *LIGHTNING}


@pytest.mark.parametrize("words", [["--help"], ["roar", "--help"], ["roar", "--seed", "1", "-h"], ["--version"]])
def test_help_ends_well(words: list[str], capsys: Captured) -> None:
    assert "spx" in printed(capsys, words)


def test_a_mistyped_word_is_answered_with_the_nearest_one(capsys: Captured) -> None:
    assert refusal(capsys, ["stabilty"]).endswith("got `stabilty`: did you mean `stability`?")
    assert refusal(capsys, ["xyz"]).endswith("got `xyz`: see `spx --help`.")
    assert "spx stability" in refusal(capsys, [])
    assert refusal(capsys, ["stability", "--nun_images=3"]).endswith("did you mean `--num_images`?")
    assert refusal(capsys, ["stability", "--data.num_tran=3"]).endswith("did you mean `num_train`?")
    assert refusal(capsys, ["stability", "--methods=[Gradiant]"]).endswith("did you mean `Gradient`?")


def test_what_answers_at_once_imports_nothing_heavy() -> None:
    program = """
import sys
from lightning_spx.cli import main
for words in (["--help"], ["stability", "--help"], ["methods"], ["stabilty"]):
    try:
        main(words)
    except SystemExit:
        pass
assert not {"torch", "lightning", "pandas", "numpy", "jsonargparse"} & set(sys.modules)
import lightning_spx.cli.report_command
import lightning_spx.evaluation
assert not {"torch", "lightning"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_the_console_script_is_the_function() -> None:
    assert callable(main)
