"""Every setting of every configuration, and a value of another type in its place."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from lightning import LightningDataModule, LightningModule
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI

from lightning_spx.cli import COMMANDS
from lightning_spx.cli.words import Words

CONFIGS = Path(__file__).parents[2] / "configs"
Keys = tuple[str | int, ...]
# no setting of ours or of Lightning's takes this
TABLE = {"wrong": "type"}
# other wrong types: of a number, of a truth, of a word
OTHERS: dict[type, list[object]] = {
    int: ["text", [], 2.5],
    float: ["text", [1.0]],
    bool: ["text", 2.5],
    str: [7, [7]],
    type(None): [["a", {}]],
}


class Wrong(NamedTuple):
    """A setting of a command with a value of another type.

    Args:
        command: of `spx`.
        source: the file, or `defaults`.
        keys: where the setting is.
        value: of the wrong type.
    """

    command: str
    source: str
    keys: Keys
    value: object

    @property
    def names(self) -> list[str]:
        """The setting's name and those of the settings that it is part of, from the inside out."""
        return [key for key in reversed(self.keys) if isinstance(key, str) and key not in ("class_path", "init_args")]


def scalars(settings: object, keys: Keys = ()) -> Iterator[tuple[Keys, object]]:
    if isinstance(settings, dict):
        inside: Any = settings.items()
    elif isinstance(settings, list):
        inside = enumerate(settings)
    else:
        yield keys, settings
        return
    for key, value in inside:
        yield from scalars(value, (*keys, key))


def with_value(settings: object, keys: Keys, value: object) -> object:
    changed = copy.deepcopy(settings)
    place: Any = changed
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return changed


Parse = Callable[[Any], object]


class Stopped(LightningCLI):
    """Lightning's command line as `main` makes it, stopped before any word is parsed."""

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        raise StopIteration(parser)


def parser_of(command: str) -> Parse:
    """What parses the settings of a command."""
    if command in COMMANDS:
        make, _ = COMMANDS[command]
        own = make()
        return lambda settings: own.parse_object(settings)
    try:
        Stopped(
            LightningModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            parser_kwargs={"exit_on_error": False},
        )
    except StopIteration as stopped:
        parser = stopped.value
    return lambda settings: parser.parse_object({"subcommand": command, command: settings})


def sources(command: str) -> dict[str, Any]:
    """The settings of each file for a command, and its defaults."""
    files = sorted((CONFIGS / command).glob("*.yaml"))
    # as the command reads them: a builder of networks may hide what it takes
    found: dict[str, Any] = {file.stem: Words().rewrite_tree(yaml.safe_load(file.read_text())) for file in files}
    if command not in COMMANDS:
        return found
    make, _ = COMMANDS[command]
    parser = make()
    defaults = parser.dump(parser.get_defaults(), skip_unset=True, skip_validation=True)
    return {**found, "defaults": yaml.safe_load(defaults)}


def wrong_settings(command: str, *, every: bool) -> list[Wrong]:
    """Wrong values for a command's settings.

    Args:
        command: of `spx`.
        every: all settings of all files with all wrong types; otherwise each setting, by its name, once with a table,
            and of the other studies those that `stability` does not have.
    """
    found: list[Wrong] = []
    seen: set[tuple[object, ...]] = set()
    if command in ("roar", "tradeoff", "ensemble") and not every:
        shared = (keys for settings in sources("stability").values() for keys, _ in scalars(settings))
        seen = {tuple(key for key in keys if isinstance(key, str)) for keys in shared}
    for source, settings in sources(command).items():
        for keys, value in scalars(settings):
            # a setting of the second method of a list is that of the first
            name = tuple(key for key in keys if isinstance(key, str))
            if name in seen and not every:
                continue
            seen.add(name)
            others = OTHERS[type(value)] if every else []
            found += [Wrong(command, source, keys, wrong) for wrong in (TABLE, *others)]
    return found
