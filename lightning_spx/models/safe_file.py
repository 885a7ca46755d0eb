"""What a file of PyTorch holds, without running code from it, or one line that says why it holds nothing."""

import pickle
import struct
from pathlib import Path

import torch

# what `torch.load` raises on damaged files and on others than its own; found by feeding it such files
DAMAGED = (
    *(pickle.UnpicklingError, struct.error, EOFError, OSError, RuntimeError, ValueError, ArithmeticError, MemoryError),
    *(LookupError, TypeError, AttributeError, AssertionError),
)


def read_plain(path: Path) -> object:
    """Read tensors and plain values from a file of `torch.save`, or tensors by their names from a `.safetensors` file.

    Args:
        path: The file.

    Returns:
        What was saved, with tensors on the CPU.

    Raises:
        ValueError: If the file is damaged, or something in it is not plain; says what, without the name of the file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save({"weight": torch.ones(2)}, f"{folder}/weights.pt")
        ...     read_plain(Path(folder, "weights.pt"))
        {'weight': tensor([1., 1.])}
    """
    if path.suffix == ".safetensors":
        # an optional package: only who has such a file needs it
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
    """Say in a line what is wrong; PyTorch does so somewhere below the advice to run the file's code."""
    lines = [line for line in str(error).splitlines() if "unsupported" in line.lower()]
    reason = " ".join((lines[0] if lines else str(error) or type(error).__name__).split())[:200]
    # a pickle's codes, which are numbers alone, say nothing to anybody
    if reason.isdecimal() or "unsupported operand" in reason.lower():
        return f"it is no file of `torch.save`, or a damaged one ({type(error).__name__}: {reason})"
    return reason
