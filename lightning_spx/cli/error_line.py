"""Turns user and machine errors into one line; any other exception is a bug and keeps its traceback."""

import errno
import os
import sys
from argparse import ArgumentError

# if set to anything, every error shows its traceback
TRACEBACK = "SPX_TRACEBACK"
GO_ON = "and start the same command again: what is finished is kept."
# for Lightning's commands, which do not resume by themselves
GO_ON_FROM = "and start the command again, for `fit` from its last checkpoint with `--ckpt_path`."
STEPS = {
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "Allow it, or name another folder,"),
    errno.EIO: "See to the disk",
}
LONGEST = 2000


def foreseen() -> tuple[type[Exception], ...]:
    """Return the kinds of errors that may be the user's or the machine's; `is_foreseen` decides about RuntimeErrors.

    Example:
        >>> ValueError in foreseen(), KeyError in foreseen()
        (True, False)
    """
    kinds = (ArgumentError, ValueError, TypeError, OSError, MemoryError, RuntimeError)
    if "lightning" not in sys.modules:
        # an error before Lightning is imported, such as a mistyped command, is none of Lightning's
        return kinds
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    return (*kinds, MisconfigurationException)


def is_foreseen(error: Exception) -> bool:
    """Return whether one line says enough about an error and the user did not ask for its traceback.

    Example:
        >>> is_foreseen(ValueError("Expected ...")), is_foreseen(RuntimeError("shapes do not match"))
        (True, False)
    """
    foreseen = not isinstance(error, RuntimeError) or any(
        is_one(error) for is_one in (is_out_of_memory, is_dead_worker, is_not_deterministic, is_left_alone)
    )
    return foreseen and TRACEBACK not in os.environ


def is_dead_worker(error: RuntimeError) -> bool:
    """Return whether a process that loads images died."""
    return str(error).startswith("DataLoader worker")


def is_not_deterministic(error: RuntimeError) -> bool:
    """Return whether an operation does not support `trainer.deterministic=true`; PyTorch names it."""
    return "deterministic implementation" in str(error)


def is_left_alone(error: RuntimeError) -> bool:
    """Return whether another process of a distributed run ended; gloo says so only in its message."""
    from torch import distributed  # imported late: a mistyped word does not need it

    return isinstance(error, distributed.DistError) or ("gloo" in str(error) and "by peer" in str(error))


def is_out_of_memory(error: Exception) -> bool:
    """Return whether a device or the machine ran out of memory."""
    if not isinstance(error, RuntimeError | MemoryError):
        return False
    from lightning_spx.attribution import memory  # imported late: it needs torch, and few errors need it

    return memory.is_out_of_memory(error)


def refusal(error: Exception, go_on: str = GO_ON) -> str:
    """Return one line that says what is wrong and what to do.

    Args:
        error: the exception.
        go_on: words that say how to resume the command.

    Example:
        >>> refusal(OSError(errno.ENOSPC, "No space left on device", "run/results.csv"))[:70]
        'Expected to use run/results.csv, got: No space left on device. Make ro'
        >>> refusal(TypeError())
        'TypeError'
    """
    text = " ".join(str(error).split()) or type(error).__name__
    if len(text) > LONGEST:  # a parser's message about a network may contain all its layers
        text = f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
    if isinstance(error, OSError) and error.strerror:
        from lightning_spx.runs.files import FULL  # imported late, as above

        what = "the disk" if error.filename is None else error.filename
        text = f"Expected to use {what}, got: {error.strerror}."
        step = "Make room" if error.errno in FULL else STEPS.get(error.errno or 0)
        text = text if step is None else f"{text} {step} {go_on}"
    elif is_out_of_memory(error):
        from lightning_spx.attribution.memory import ONE_IMAGE

        # if not even one image fits, the message already says what to lower
        step = "Then" if ONE_IMAGE in text else "Lower `batch_size`, or in training `data.batch_size`, and"
        text = f"Out of memory: {text.rstrip('.')}. {step} {go_on.removeprefix('and ')}"
    elif isinstance(error, RuntimeError) and is_dead_worker(error):
        text = f"{text.rstrip('.')}. If it ran out of memory, lower `data.num_workers` or `data.batch_size`, {go_on}"
    elif isinstance(error, RuntimeError) and is_left_alone(error):
        text = f"Another process of this run has ended ({text[:100]}). See what it says, {go_on}"
    return text
