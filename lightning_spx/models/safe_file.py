"""Reads a PyTorch file without running code from it, or says in one line why it cannot."""

import pickle
import struct
from pathlib import Path

import torch

# what `torch.load` raises on damaged and foreign files, found by fuzzing
DAMAGED = (
    *(pickle.UnpicklingError, struct.error, EOFError, OSError, RuntimeError, ValueError, ArithmeticError, MemoryError),
    *(LookupError, TypeError, AttributeError, AssertionError),
)


def read_plain(path: Path) -> object:
    """Read tensors and plain values from a `torch.save` file, or named tensors from a `.safetensors` file.

    Args:
        path: The file.

    Returns:
        The saved content, with tensors on the CPU.

    Raises:
        ValueError: If the file is damaged or something in it is not plain; the message does not name the file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save({"weight": torch.ones(2)}, f"{folder}/weights.pt")
        ...     read_plain(Path(folder, "weights.pt"))
        {'weight': tensor([1., 1.])}
    """
    if path.suffix == ".safetensors":
        # an optional package, needed only for such files
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (SafetensorError, *DAMAGED) as error:
            raise ValueError(_reason(error)) from error
    try:
        content: object = torch.load(path, map_location="cpu", weights_only=True)
    except DAMAGED as error:
        raise ValueError(_reason(error)) from error
    return content


def _reason(error: Exception) -> str:
    """Say in one line what is wrong; PyTorch says so somewhere below its advice to run the file's code."""
    lines = [line for line in str(error).splitlines() if "unsupported" in line.lower()]
    reason = " ".join((lines[0] if lines else str(error) or type(error).__name__).split())[:200]
    # bare numbers, the codes of a pickle, mean nothing to a user
    if reason.isdecimal() or "unsupported operand" in reason.lower():
        return f"it is no file of `torch.save`, or it is damaged ({type(error).__name__}: {reason})"
    return reason
