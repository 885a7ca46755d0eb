"""Says in the parser's terms how a network or a function of images is built that hides what it takes or returns."""

import inspect
import typing
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import UnionType
from typing import Any

from torch import nn

from lightning_spx.models.builder import built, import_path
from lightning_spx.models.preprocess import Preprocessing

BUILT = f"{built.__module__}.{built.__name__}"
PREPROCESSING = f"{Preprocessing.__module__}.{Preprocessing.__name__}"


def network_tree(tree: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a network's class path and arguments, hidden ones among them, as the parser takes them."""
    path, given = tree["class_path"], tree.get("init_args") or {}
    if not isinstance(path, str) or not isinstance(given, Mapping) or path == BUILT:
        return tree
    extra = tree.get("dict_kwargs") or {}
    if hides_result(path):
        return {"class_path": BUILT, "init_args": {"builder": path, "arguments": {**given, **extra}}}
    unknown = unknown_arguments(path, list(given))
    if not unknown:
        return tree
    known = {key: value for key, value in given.items() if key not in unknown}
    return {**tree, "init_args": known, "dict_kwargs": {**extra, **{key: given[key] for key in unknown}}}


def function_tree(path: str) -> object:
    """Return a layer that calls the function at a path; another path is returned as it is."""
    return {"class_path": PREPROCESSING, "init_args": {"function": path}} if is_function(path) else path


def options_of(hint: object) -> Sequence[object]:
    """Return the types of a union; empty for another type."""
    return typing.get_args(hint) if typing.get_origin(hint) in (UnionType, typing.Union) else ()


def network_arguments(path: object) -> frozenset[str]:
    """Return the arguments of a class or function that are networks by their type; empty for what cannot be found."""
    if not isinstance(path, str) or "." not in path:
        return frozenset()
    with suppress(ValueError, NameError, TypeError, AttributeError):
        found = import_path(path)
        hints = typing.get_type_hints(found.__init__ if inspect.isclass(found) else found)
        return frozenset(name for name, hint in hints.items() if any(map(_is_network, (hint, *options_of(hint)))))
    return frozenset()


def _is_network(hint: object) -> bool:
    return inspect.isclass(hint) and issubclass(hint, nn.Module)


def is_function(path: str) -> bool:
    """Return whether there is a function or method at a path.

    Example:
        >>> is_function("torch.neg"), is_function("torch.nn.ReLU")
        (True, False)
    """
    with suppress(ValueError):
        return not inspect.isclass(import_path(path))
    return False


def hides_result(path: str) -> bool:
    """Return whether a builder is a function that does not say that it returns a network."""
    if not is_function(path):
        return False
    try:
        result = typing.get_type_hints(import_path(path)).get("return")
    except (NameError, TypeError, AttributeError):
        result = None
    return not _is_network(result)


def unknown_arguments(path: str, names: Sequence[str]) -> list[str]:
    """Return the names that only the keyword arguments of a builder can take; empty if it takes no such ones."""
    if not is_function(path):
        return []
    parameters = inspect.signature(import_path(path)).parameters
    if not any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        return []
    return [name for name in names if name not in parameters]
