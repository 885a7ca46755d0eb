"""Builds a LightningModule with the hyper-parameters that its checkpoint says, as Lightning's own loading does."""

import inspect
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning import LightningModule
from torch import nn

PACKAGE = __name__.partition(".")[0] + "."
OPEN_ENDED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
PLAIN = (bool, int, float, str, type(None))


def with_saved_settings(module: nn.Module, saved: Mapping[str, Any], checkpoint: Path) -> nn.Module:
    """Return a module as it is, or built again with other hyper-parameters that its checkpoint holds.

    Weights alone do not say everything: with another activation or scale the same weights give other logits. A warning
    says what the file says otherwise. Modules of this package are built from a run's own configuration.

    Args:
        module: the module as it was configured; one that is no LightningModule stays as it is.
        saved: the hyper-parameters that the checkpoint says.
        checkpoint: its file, for the warning.

    Raises:
        ValueError: the module cannot be built again, because it keeps arguments that are no hyper-parameters.

    Example:
        >>> with_saved_settings(nn.ReLU(), {"inplace": True}, Path("a.ckpt"))
        ReLU()
    """
    kind = type(module)
    if not isinstance(module, LightningModule) or kind.__module__.startswith(PACKAGE):
        return module
    own: dict[str, Any] = dict(module.hparams)
    taken = inspect.signature(kind).parameters
    other = {
        name: value
        for name, value in saved.items()
        if name in own and name in taken and isinstance(value, PLAIN) and own[name] != value
    }
    if not other:
        return module
    listed = ", ".join(f"{name}={value!r} in place of {own[name]!r}" for name, value in other.items())
    arguments = {name: value for name, value in own.items() if name in taken} | other
    needed = [name for name, each in taken.items() if each.default is each.empty and each.kind not in OPEN_ENDED]
    if not set(needed) <= arguments.keys():
        raise ValueError(f"Expected {kind.__name__} to be built with {listed}, as {checkpoint} says: set them.")
    warnings.warn(f"{kind.__name__} is built with {listed}, as {checkpoint} says.", stacklevel=2)
    return kind(**arguments)
