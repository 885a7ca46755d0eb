"""Suggests the nearest name to a mistyped command, setting or class."""

import re
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches

# the parser's messages about a setting that a class does not take, one that a command does not take, and a class
NOT_ACCEPTED = re.compile(r"given class_path '(?P<owner>[\w.]+)'.*Option '(?P<name>\w+)' is not accepted", re.DOTALL)
UNRECOGNIZED = re.compile(r"[Uu]nrecognized arguments: (?P<word>\S+)")
NO_PATH = re.compile(r"Expected a dot import path string: (?P<name>\w+)")


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return a question that suggests the nearest of some names; empty if none is near.

    Example:
        >>> did_you_mean("stabilty", ["stability", "report"])
        ' did you mean `stability`?'
        >>> did_you_mean("xyz", ["stability", "report"])
        ''
    """
    by_lower = {name.lower(): name for name in names}
    near = get_close_matches(word.lower(), by_lower, n=1)
    return f" did you mean `{by_lower[near[0]]}`?" if near else ""


def with_suggestion(
    message: str, settings: Sequence[str], classes: Sequence[str], arguments: Callable[[str], Sequence[str]]
) -> str:
    """Return a message of the parser with the nearest name to the one that it refuses, if there is one.

    Args:
        message: of the parser.
        settings: the command's settings.
        classes: short names that settings take for classes.
        arguments: returns the arguments of the class at a path.

    Example:
        >>> with_suggestion("Unrecognized arguments: --sed=1", ["seed", "out"], [], lambda path: [])
        'Unrecognized arguments: --sed=1: did you mean `--seed`?'
    """
    # only the last lines of a long message say what does not fit
    if found := UNRECOGNIZED.search(message):
        near = did_you_mean(found["word"].partition("=")[0].removeprefix("--"), settings).replace("`", "`--", 1)
    elif found := NOT_ACCEPTED.search(message):
        near = did_you_mean(found["name"], arguments(found["owner"]))
    elif found := NO_PATH.search(message):
        # a name that there is has no nearer one
        exists = found["name"] in classes
        near = " it is no value here." if exists else did_you_mean(found["name"], classes)
    else:
        near = ""
    return f"{message.rstrip('. ')}:{near}" if near else message
