"""Reads the weights of a Lightning checkpoint, or says in one line why it cannot."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from lightning import LightningModule
from torch import nn

from lightning_spx.guard import unchanged
from lightning_spx.models.safe_file import read_plain
from lightning_spx.models.saved_weights import check_exists, read_saved, weights_file

LOOPS = ("fit_loop", "validate_loop", "test_loop", "predict_loop")
ModelFactory = Callable[[], nn.Module]


def read_state(checkpoint: Path) -> dict[str, Any]:
    """Read the weights and buffers of a Lightning checkpoint, without running code from the file.

    Args:
        checkpoint: a file saved by `fit`.

    Returns:
        Tensors on the CPU by their names in the module; values of `get_extra_state` may be any plain objects.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is damaged or not a Lightning checkpoint.
    """
    state: dict[str, Any] = _read(checkpoint)["state_dict"]
    return state


def read_state_for(module: nn.Module, checkpoint: Path) -> Mapping[str, Any]:
    """Read a Lightning checkpoint's weights as the module would, after its own `on_load_checkpoint`.

    Args:
        module: the module, which does not change.
        checkpoint: a file saved by `fit`.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is damaged, not a Lightning checkpoint, or the module's own method cannot read it.
    """
    content = _read(checkpoint)
    if not isinstance(module, LightningModule) or _is_ours(module.on_load_checkpoint):
        return cast(Mapping[str, Any], content["state_dict"])
    try:
        with unchanged(module, torch.device("cpu"), parameters=True):
            module.on_load_checkpoint(content)
    except (RuntimeError, AttributeError, TypeError, LookupError) as error:
        name = f"{type(module).__name__}.on_load_checkpoint"
        raise ValueError(
            f"Expected {name} to take {checkpoint}, got {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        ) from error
    return cast(Mapping[str, Any], content["state_dict"])


def _is_ours(method: object) -> bool:
    # Lightning's method does nothing; this package's only maps names, which placing the weights does too
    return getattr(method, "__module__", "").partition(".")[0] in ("lightning", "lightning_spx")


def check_resumable(checkpoint: Path, *, training: bool) -> None:
    """Refuse a file from which a Trainer cannot resume, before it tries.

    Args:
        checkpoint: a file saved by `fit`.
        training: whether training resumes, which needs the states of the optimizers.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is damaged, not a Lightning checkpoint, or has only weights although `training` is set.
    """
    content = {"callbacks": {}, "loops": {name: {} for name in LOOPS}, **_read(checkpoint)}
    needed: dict[str, type] = {"pytorch-lightning_version": str, "epoch": int, "global_step": int}
    needed |= {"callbacks": dict, "loops": dict}
    if training:
        needed |= {"optimizer_states": list, "lr_schedulers": list}
    wrong = [name for name, kind in needed.items() if not isinstance(content.get(name), kind)]
    if not wrong:
        parts = {"optimizer_states": content["optimizer_states"]} if training else {}
        parts["loops"] = [content["loops"].get(name) for name in LOOPS]
        wrong = [name for name, each in parts.items() if not all(isinstance(part, dict) for part in each)]
    if wrong:
        use = "to train on from" if training else "of a Trainer"
        raise ValueError(f"Expected a checkpoint {use}, got {checkpoint}, which holds no {' and no '.join(wrong)}.")


def _read(checkpoint: Path) -> dict[str, Any]:
    check_exists(checkpoint)
    try:
        content = read_plain(checkpoint)
    except ValueError as error:
        raise ValueError(f"Expected a Lightning checkpoint with a `state_dict`, got {checkpoint}: {error}") from error
    if not isinstance(content, dict) or "state_dict" not in content:
        kind = f"a {type(content).__name__} without it"
        raise ValueError(f"Expected a Lightning checkpoint with a `state_dict`, got {checkpoint}, which holds {kind}.")
    state: object = content["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        kind = type(state).__name__
        raise ValueError(f"Expected the `state_dict` in {checkpoint} to be tensors by their names, got a {kind}.")
    return content


def file_hash(checkpoint: Path) -> str:
    """Return the SHA-256 of a checkpoint.

    Raises:
        FileNotFoundError: the file does not exist.
    """
    own = weights_file(checkpoint)
    check_exists(own)
    with own.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_checkpoint(checkpoint: Path, model: ModelFactory) -> nn.Module:
    """Load weights of any common form into a fresh model, in evaluation mode.

    Args:
        checkpoint: as in `read_saved`.
        model: makes the untrained model: a LightningModule, or a network inside the one that was saved.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it holds no weights, or belongs to another architecture.
    """
    return read_saved(checkpoint).put_into(model())
