"""Decides about defaults by what is given: those of `spx ensemble` come from the run whose models it averages."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from lightning_spx.cli.words import split
from lightning_spx.runs.folder import CONFIG_FILE
from lightning_spx.runs.reading import read_config

PARTS = ("data", "model")
# settings that are lists of classes, and have defaults
CLASSES = ("methods", "superpixels")
OF_READING = ("mean", "std", "preprocess", "output", "input_name", "head", "to_rgb")


def defaults_of_run(words: Sequence[str]) -> dict[str, Any]:
    """Return the settings that a run's data and models have; empty without a run, or for a folder that is none.

    Args:
        words: of a command line that may name a run, itself or in a configuration file.

    Raises:
        ValueError: the run was started from Python code, so that its file does not say how to make its data or models,
            and the words do not either.
    """
    given = dict(_given(words))
    run = given.get("run")
    file = Path(str(run)) / CONFIG_FILE
    if run is None or not file.is_file():
        return {}
    config = read_config(file)
    for name in PARTS:
        if not isinstance(config.get(name), Mapping) and name not in given:
            raise ValueError(
                f"Expected {file} to say how its `{name}` is made, got a run of Python code: give `{name}` as well."
            )
    names = [*(name for name in PARTS if isinstance(config.get(name), Mapping)), *OF_READING]
    return {name: config[name] for name in names if config.get(name) is not None}


def defaults_of_others(words: Sequence[str], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults that change because words choose another class, whose settings are its own.

    The parser would give it those of the default at the same place, as far as it has arguments of these names: a
    learning rate of SGD, an image size of other data, or the number of samples of the method that was there. A list
    that words replace has no default; one that they add to keeps it.

    Args:
        words: of a command line.
        defaults: the settings without any words.

    Example:
        >>> sgd = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}
        >>> model = {"class_path": "ImageClassifier", "init_args": {"optimizer": sgd, "warmup_fraction": 0.5}}
        >>> defaults_of_others(["--model.optimizer=AdamW"], {"model": model, "seed": 0})
        {'model': {'class_path': 'ImageClassifier', 'init_args': {'warmup_fraction': 0.5}}}
        >>> defaults_of_others(["--model=Other"], {"model": model}), defaults_of_others([], {"model": model})
        ({'model': None}, {})
        >>> defaults_of_others(["--methods=[GradCAM]", "--superpixels+=Grid"], {"methods": [], "superpixels": []})
        {'methods': []}
    """
    chosen: dict[str, str] = {}
    settings: list[str] = []
    for name, value in _named(words):
        for path, own in _classes(name.replace(".init_args", ""), value):
            # settings that come before the class belong to the default, which has to be there for them
            if not any(each.startswith(f"{path}.") for each in settings):
                chosen[path] = own
            settings.append(path)
    lists: dict[str, Any] = {name: [] for name, _ in _named(words) if name in CLASSES and name in defaults}
    changed = {name: _kept(name, value, chosen) for name, value in defaults.items() if name in PARTS}
    return {**lists, **{name: value for name, value in changed.items() if value != defaults[name]}}


def _classes(name: str, value: object) -> Iterator[tuple[str, str]]:
    """Yield the classes that a setting names, itself and in its arguments."""
    if isinstance(value, str):
        yield name.removesuffix(".class_path"), value
    elif isinstance(value, Mapping):
        for key, own in value.items():
            yield from _classes(name if key in ("class_path", "init_args") else f"{name}.{key}", own)


def _kept(name: str, value: object, chosen: Mapping[str, str]) -> object:
    """Return a default without the classes in whose place others are chosen."""
    if not isinstance(value, Mapping) or "class_path" not in value:
        return value
    if name in chosen and chosen[name].rpartition(".")[2] != str(value["class_path"]).rpartition(".")[2]:
        return None
    kept = {key: _kept(f"{name}.{key}", own, chosen) for key, own in (value.get("init_args") or {}).items()}
    before = value.get("init_args") or {}
    return {**value, "init_args": {key: own for key, own in kept.items() if own is not None or before[key] is None}}


def _given(words: Sequence[str]) -> Iterator[tuple[str, object]]:
    """Yield the settings that words give, by the first part of their names; later ones override earlier ones."""
    for name, value in _named(words):
        yield name.partition(".")[0], value


def _named(words: Sequence[str]) -> Iterator[tuple[str, object]]:
    """Yield the settings that words and their configuration files give, by their whole names."""
    for word in split(words):
        if word.name is None or word.value is None:
            continue
        if word.name != "config":
            yield word.name, word.value
            continue
        # a file that is no YAML is refused by the parser
        with suppress(yaml.YAMLError, OSError, UnicodeDecodeError):
            content = yaml.safe_load(Path(word.value).read_text(encoding="utf-8"))
            yield from content.items() if isinstance(content, Mapping) else ()
