"""Calls whatever builds a network: a function without type hints, or with keyword arguments that only it knows."""

import importlib
from collections.abc import Callable
from typing import Any

from torch import nn


def built(builder: str, arguments: dict[str, Any] | None = None) -> nn.Module:
    """Return the network that a function or class method makes, such as `from_pretrained`.

    The command line writes this by itself for a builder whose signature does not say what it takes or returns.

    Args:
        builder: import path of the function.
        arguments: keyword arguments as plain values.

    Raises:
        ValueError: there is no such function.
        TypeError: it does not accept the arguments, or returns no module.

    Example:
        >>> built("torch.nn.Linear", {"in_features": 3, "out_features": 2})
        Linear(in_features=3, out_features=2, bias=True)
    """
    try:
        network: object = import_path(builder)(**arguments or {})
    except TypeError as error:
        raise TypeError(
            f"Expected {builder} to accept {', '.join(arguments or {}) or 'no arguments'}: {error}"
        ) from error
    if not isinstance(network, nn.Module):
        raise TypeError(f"Expected {builder} to return a network, got {type(network).__name__}.")
    return network


def import_path(path: str) -> Callable[..., Any]:
    """Return the function, class or class method at an import path.

    Raises:
        ValueError: there is none, or it cannot be called.

    Example:
        >>> import_path("torch.nn.Linear.forward").__name__
        'forward'
    """
    parts = path.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError as error:
            # a module that is there but lacks one of its own imports must say so
            if error.name and not ".".join(parts[:length]).startswith(error.name):
                raise ValueError(f"Expected to import {path}, got {error}.") from error
            continue
        except Exception as error:  # a user's module may raise anything
            raise ValueError(f"Expected to import {path}, got {type(error).__name__}: {error}.") from error
        for name in parts[length:]:
            found = getattr(found, name, None)
        if callable(found):
            return found
        break
    raise ValueError(f"Expected {path} to be the import path of a function or class, found none.")
