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


def listed_anew(words: Sequence[str]) -> list[str]:
    """Return the lists of classes that words replace, themselves or in a configuration file; not those they add to.

    Example:
        >>> listed_anew(["--methods=[GradCAM]", "--superpixels+=Grid", "--seed=1"])
        ['methods']
    """
    return [name for name, _ in _named(words) if name in CLASSES]


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
