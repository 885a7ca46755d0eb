"""Builds a LightningModule with the hyper-parameters that its checkpoint says, as Lightning's own loading does."""

import inspect
import warnings
from pathlib import Path
from typing import Any

from lightning import LightningModule
from torch import nn

PACKAGE = __name__.partition(".")[0] + "."
PLAIN = (bool, int, float, str, type(None))


def with_saved_settings(module: nn.Module, content: object, checkpoint: Path) -> nn.Module:
    """Return a module as it is, or built again with other hyper-parameters that its checkpoint holds.

    Weights alone do not say everything: with another activation or scale the same weights give other logits. A warning
    says what the file says otherwise. Modules of this package are built from a run's own configuration.

    Args:
        module: the module as it was configured; one that is no LightningModule stays as it is.
        content: what the checkpoint holds.
        checkpoint: its file, for the warning.

    Example:
        >>> with_saved_settings(nn.ReLU(), {"hyper_parameters": {"inplace": True}}, Path("a.ckpt"))
        ReLU()
    """
    kind = type(module)
    saved = content.get("hyper_parameters") if isinstance(content, dict) else None
    if not isinstance(module, LightningModule) or kind.__module__.startswith(PACKAGE) or not isinstance(saved, dict):
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
    warnings.warn(f"{kind.__name__} is built with {listed}, as {checkpoint} says.", stacklevel=2)
    return kind(**{name: value for name, value in own.items() if name in taken} | other)
