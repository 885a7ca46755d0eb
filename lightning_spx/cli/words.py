"""Rewrites a user's words into those that the parser takes, and so lets natural forms through.

Four forms are natural and not the parser's: an earlier word, one value where a list is expected, a switch without a
value, and a builder of networks whose signature hides what it takes (`timm.create_model`) or returns
(`from_pretrained`).
"""

import json
import typing
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml
from jsonargparse import get_loader

from lightning_spx.cli.builders import (
    BUILT,
    PREPROCESSING,
    function_tree,
    hides_result,
    is_function,
    network_arguments,
    network_tree,
    options_of,
    unknown_arguments,
)

# the parser's own way to read YAML, which knows more numbers than YAML does
LOAD_YAML = get_loader("yaml")
# the last part of settings that take a network, and of those that take a function of images
NETWORKS = ("model", "network")
FUNCTIONS = ("preprocess",)
# what the parser takes for the value of a switch
SWITCHED = ("true", "false", "yes", "no")
NO_ARGUMENTS = ("class_path", "init_args", "dict_kwargs", "help")


def list_settings(command: Callable[..., object]) -> frozenset[str]:
    """Return the settings of a command that take a list, and no word or text that would be a value by itself.

    Example:
        >>> def command(sizes: list[int] | None, seed: int) -> None: ...
        >>> list_settings(command)
        frozenset({'sizes'})
    """
    hints = typing.get_type_hints(command)
    options = {name: (hint, *options_of(hint)) for name, hint in hints.items()}
    return frozenset(
        name
        for name, kinds in options.items()
        if any(typing.get_origin(each) is list for each in kinds)
        and not any(each is str or typing.get_origin(each) is Literal for each in kinds)
    )


def switches(command: Callable[..., object]) -> frozenset[str]:
    """Return the settings of a command that are either true or false.

    Example:
        >>> def command(tables: bool, seed: int) -> None: ...
        >>> switches(command)
        frozenset({'tables'})
    """
    return frozenset(name for name, hint in typing.get_type_hints(command).items() if hint is bool)


class Words:
    """The natural forms of one command.

    Args:
        lists: settings that take a list, in which one value is taken for a list of one.
        renamed: earlier words, with the ones in their place.
        switched: settings that are true if they stand without a value.
    """

    def __init__(
        self,
        lists: frozenset[str] = frozenset(),
        renamed: Mapping[str, str] | None = None,
        switched: frozenset[str] = frozenset(),
    ) -> None:
        self.lists = lists
        # the parser reads the arguments of a class as it reads a file, and these are no settings, whatever their names
        self._files: set[str] = set()
        self.switched = switched
        self.renamed = renamed or {}

    @classmethod
    def of(cls, command: Callable[..., object], renamed: Mapping[str, str] | None) -> "Words":
        """Return the natural forms of the command that a function is."""
        return cls(list_settings(command), renamed, switches(command))

    def rewrite(self, words: Sequence[str]) -> list[str]:
        """Return the words of a command line in the parser's form.

        Example:
            >>> Words(frozenset({"methods"})).rewrite(["--methods", "GradCAM", "--methods.layer=layer4"])
            ['--methods=[GradCAM]', '--methods.layer=layer4']
            >>> Words(switched=frozenset({"tables"})).rewrite(["--tables", "--seed=1"])
            ['--tables=true', '--seed=1']
        """
        given = split(words)
        named = [(None if each.name is None else self._new_name(each.name), each) for each in given]
        classes = self._classes([(name, each.value) for name, each in named])
        rewritten: list[str] = []
        for name, each in named:
            apart = len(each.words) == 2 and str(each.value).lower() not in SWITCHED
            if name in self.switched and (each.value is None or apart):
                # a word that is no value of the switch stands by itself
                rewritten += [f"--{name}=true", *([] if each.value is None else [each.value])]
            elif name is None or each.value is None:
                rewritten += each.words
            elif name in self.lists:
                rewritten.append(f"--{name}={_listed(each.value)}")
            else:
                words_of_it = _argument(name, each.value, classes)
                unchanged = name == each.name and words_of_it == [f"--{name}={each.value}"]
                rewritten += each.words if unchanged else words_of_it
        return rewritten

    def load(self, text: str) -> Any:  # noqa: ANN401
        """Load settings as YAML, with the natural forms in them rewritten."""
        return self.rewrite_tree(LOAD_YAML(text))

    def read(self, text: str) -> object:
        """Load what the parser reads: settings in a file that words have named, or a part of them."""
        return self.load(text) if text in self._files else _rewritten(LOAD_YAML(text))

    def rewrite_tree(self, tree: object) -> object:
        """Return settings, as YAML gives them, in the parser's form."""
        if isinstance(tree, Mapping):
            tree = dict(self._current_setting(str(key), value) for key, value in tree.items())
        return _rewritten(tree)

    def _current_setting(self, key: str, value: object) -> tuple[str, object]:
        name = self._new_name(key)
        listed = name in self.lists and value is not None and not isinstance(value, list)
        return name, [value] if listed else value

    def _new_name(self, name: str) -> str:
        first, dot, rest = name.partition(".")
        if first not in self.renamed:
            return name
        warnings.warn(f"`{first}` is called `{self.renamed[first]}` now.", FutureWarning, stacklevel=2)
        return f"{self.renamed[first]}{dot}{rest}"

    def _classes(self, pairs: Sequence[tuple[str | None, str | None]]) -> dict[str, str]:
        """Find the builder of each network, in the words or in their configuration files."""
        found: dict[str, str] = {}
        for name, value in pairs:
            if name == "config" and value is not None and Path(value).is_file():
                # a file that is no YAML is refused by the parser
                with suppress(yaml.YAMLError, OSError, UnicodeDecodeError):
                    text = Path(value).read_text(encoding="utf-8")
                    self._files.add(text)
                    found |= _classes_in(self.rewrite_tree(yaml.safe_load(text)))
            elif name is not None and value is not None:
                setting = name.removesuffix(".class_path")
                owner, _, last = setting.replace(".init_args.", ".").rpartition(".")
                is_network = last in NETWORKS or last in network_arguments(found.get(owner))
                if is_network and "." in value and value.replace(".", "_").isidentifier():
                    found[setting] = value
        return found


def _rewritten(
    tree: object, is_network: bool = False, is_function: bool = False, arguments: frozenset[str] = frozenset()
) -> object:
    """Return a part of settings in the parser's form.

    Args:
        tree: the part.
        is_network: whether it stands for a network.
        is_function: whether it stands for a function of images.
        arguments: which of its entries stand for networks by the signature that they are arguments of.
    """
    if isinstance(tree, Mapping):
        inner = {
            str(key): _rewritten(value, arguments=network_arguments(tree.get("class_path")))
            if key == "init_args"
            else _rewritten(value, key in NETWORKS or key in arguments, key in FUNCTIONS)
            for key, value in tree.items()
        }
        return network_tree(inner) if is_network and "class_path" in inner else inner
    if isinstance(tree, list):
        return [_rewritten(each) for each in tree]
    if isinstance(tree, str) and "." in tree and (is_network or is_function):
        return network_tree({"class_path": tree}) if is_network else function_tree(tree)
    return tree


class Word(NamedTuple):
    """One setting of a command line.

    Args:
        name: of the setting; None for a word that is no setting.
        value: None without one.
        words: the setting as it was written.
    """

    name: str | None
    value: str | None
    words: Sequence[str]


def split(words: Sequence[str]) -> list[Word]:
    """Split words into settings and values.

    Example:
        >>> [(each.name, each.value) for each in split(["a.png", "--seed=1", "--out", "x", "--help"])]
        [(None, None), ('seed', '1'), ('out', 'x'), ('help', None)]
    """
    found: list[Word] = []
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if not word.startswith("--") or word == "--":
            found.append(Word(None, None, [word]))
            continue
        name, equals, value = word[2:].partition("=")
        if equals:
            found.append(Word(name, value, [word]))
        elif position < len(words) and not words[position].startswith("--"):
            found.append(Word(name, words[position], [word, words[position]]))
            position += 1
        else:
            found.append(Word(name, None, [word]))
    return found


def _listed(value: str) -> str:
    if value.lstrip().startswith("[") or value.strip() in ("null", ""):
        return value
    # a name is an item as it stands; anything else, such as a pattern or a number, is quoted as YAML needs it
    loaded = yaml.safe_load(value) if value.lstrip().startswith("{") else value
    return (
        f"[{value}]" if value.isidentifier() or not isinstance(loaded, str) or _number(value) else json.dumps([value])
    )


def _number(value: str) -> bool:
    with suppress(ValueError):
        float(value)
        return True
    return False


def _argument(name: str, value: str, classes: Mapping[str, str]) -> list[str]:
    """Return a setting's word, or those that hand it to a builder."""
    if name in classes and classes[name] == value and hides_result(value):
        return [f"--{name}={BUILT}", f"--{name}.builder={value}"]
    if name.rpartition(".")[2] in FUNCTIONS and "." in value and is_function(value):
        return [f"--{name}={PREPROCESSING}", f"--{name}.function={value}"]
    owner = next((each for each in sorted(classes, key=len, reverse=True) if name.startswith(f"{each}.")), None)
    if owner is None:
        return [f"--{name}={value}"]
    key = name[len(owner) + 1 :].removeprefix("init_args.")
    if key.partition(".")[0] in NO_ARGUMENTS:
        return [f"--{name}={value}"]
    if hides_result(classes[owner]):
        return [f"--{owner}.arguments.{key}={value}"]
    if key.partition(".")[0] in unknown_arguments(classes[owner], [key.partition(".")[0]]):
        return [f"--{owner}.dict_kwargs.{key}={value}"]
    return [f"--{name}={value}"]


def _classes_in(tree: object, name: str = "") -> dict[str, str]:
    """Find the classes and builders in settings, by dotted names without `init_args`."""
    found: dict[str, str] = {}
    if not isinstance(tree, Mapping):
        return found
    for key, value in tree.items():
        setting = f"{name}.{key}" if name and key != "init_args" else name if key == "init_args" else str(key)
        if isinstance(value, Mapping) and isinstance(value.get("class_path"), str):
            arguments = value.get("init_args") or {}
            hidden = value["class_path"] == BUILT and isinstance(arguments, Mapping)
            found[setting] = str(arguments["builder"]) if hidden else value["class_path"]
        found |= _classes_in(value, setting)
    return found
