"""The weights in a Lightning checkpoint, or one line that says why there are none."""

import pickle
import struct
from pathlib import Path
from typing import Any

import torch

# what `torch.load` raises on damaged files and on others than its own; found by feeding it such files
DAMAGED = (
    *(pickle.UnpicklingError, struct.error, EOFError, OSError, RuntimeError, ValueError),
    *(LookupError, TypeError, AttributeError, AssertionError),
)


def check_exists(checkpoint: Path) -> None:
    """Raise a FileNotFoundError that names the next step unless the file is there."""
    if not checkpoint.is_file():
        raise FileNotFoundError(f"Expected a checkpoint at {checkpoint}, found none. Name files that `fit` has saved.")


def read_state(checkpoint: Path) -> dict[str, Any]:
    """Read the weights and buffers of a Lightning checkpoint, without running code from the file.

    Args:
        checkpoint: a file that `fit` has saved.

    Returns:
        Tensors on the CPU by their names in the module; what `get_extra_state` gave may be anything plain.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or no Lightning checkpoint.
    """
    check_exists(checkpoint)
    try:
        content: object = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except DAMAGED as error:
        raise ValueError(
            f"Expected a Lightning checkpoint with a `state_dict`, got {checkpoint}: {_reason(error)}"
        ) from error
    if not isinstance(content, dict) or "state_dict" not in content:
        kind = f"a {type(content).__name__} without it"
        raise ValueError(f"Expected a Lightning checkpoint with a `state_dict`, got {checkpoint}, which holds {kind}.")
    state: object = content["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        kind = type(state).__name__
        raise ValueError(f"Expected the `state_dict` in {checkpoint} to be tensors by their names, got a {kind}.")
    return state


def _reason(error: Exception) -> str:
    """Say in a line what is wrong; PyTorch does so somewhere below the advice to run the file's code."""
    lines = [line for line in str(error).splitlines() if "unsupported" in line.lower()]
    return " ".join((lines[0] if lines else str(error)).split())[:200]
