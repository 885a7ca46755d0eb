"""The weights in a Lightning checkpoint, or one line that says why there are none."""

import pickle
import struct
from pathlib import Path

import torch
from torch import Tensor

# what `torch.load` raises on damaged files and on others than its own; found by feeding it such files
DAMAGED = (
    *(pickle.UnpicklingError, struct.error, EOFError, OSError, RuntimeError, ValueError),
    *(LookupError, TypeError, AttributeError, AssertionError),
)


def check_exists(checkpoint: Path) -> None:
    """Raise a FileNotFoundError that names the next step unless the file is there."""
    if not checkpoint.is_file():
        raise FileNotFoundError(f"Expected a checkpoint at {checkpoint}, found none. Name files that `fit` has saved.")


def read_state(checkpoint: Path) -> dict[str, Tensor]:
    """Read the weights and buffers of a Lightning checkpoint, without running code from the file.

    Args:
        checkpoint: a file that `fit` has saved.

    Returns:
        Tensors on the CPU by their names in the module.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or no Lightning checkpoint.
    """
    check_exists(checkpoint)
    try:
        content: object = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except DAMAGED as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"Expected a Lightning checkpoint with a `state_dict`, got {checkpoint}: {reason}") from error
    if not isinstance(content, dict) or "state_dict" not in content:
        kind = f"a {type(content).__name__} without it"
        raise ValueError(f"Expected a Lightning checkpoint with a `state_dict`, got {checkpoint}, which holds {kind}.")
    state: dict[str, Tensor] = content["state_dict"]
    return state
