"""Turns user and machine errors into one line; any other exception is a bug and keeps its traceback."""

import errno
import os
from argparse import ArgumentError

from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import distributed

from lightning_spx.attribution.memory import ONE_IMAGE, is_out_of_memory
from lightning_spx.runs.files import FULL

# this environment variable, set to anything, shows the traceback of every error
TRACEBACK = "SPX_TRACEBACK"
GO_ON = "and start the same command again: what is finished is kept."
# Lightning's commands start from the beginning otherwise
GO_ON_FROM = "and start the command again, for `fit` from its last checkpoint with `--ckpt_path`."
STEPS = {
    **dict.fromkeys(FULL, "Make room"),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "Allow it, or name another folder,"),
    errno.EIO: "See to the disk",
}
LONGEST = 2000
# all of these count as foreseen, except most RuntimeErrors (`is_foreseen`)
FORESEEN = (ArgumentError, MisconfigurationException, ValueError, TypeError, OSError, MemoryError, RuntimeError)


def is_foreseen(error: Exception) -> bool:
    """Whether one line explains an error well enough; never if the user asks for tracebacks.

    Example:
        >>> is_foreseen(ValueError("Expected ...")), is_foreseen(RuntimeError("shapes do not match"))
        (True, False)
    """
    foreseen = not isinstance(error, RuntimeError) or any(
        is_one(error) for is_one in (is_out_of_memory, is_dead_worker, is_not_deterministic, is_left_alone)
    )
    return foreseen and TRACEBACK not in os.environ


def is_dead_worker(error: RuntimeError) -> bool:
    """Whether a process that loads images has died."""
    return str(error).startswith("DataLoader worker")


def is_not_deterministic(error: RuntimeError) -> bool:
    """Whether an operation, for instance of a network, cannot honour `trainer.deterministic=true`; PyTorch names it."""
    return "deterministic implementation" in str(error)


def is_left_alone(error: RuntimeError) -> bool:
    """Whether another process of a distributed run has ended; gloo reports that only in its message."""
    return isinstance(error, distributed.DistError) or ("gloo" in str(error) and "by peer" in str(error))


def refusal(error: Exception, go_on: str = GO_ON) -> str:
    """Return one line that says what is wrong and what to do.

    Args:
        error: the exception.
        go_on: how to continue the command.

    Example:
        >>> refusal(OSError(errno.ENOSPC, "No space left on device", "run/results.csv"))[:70]
        'Expected to use run/results.csv, got: No space left on device. Make ro'
        >>> refusal(TypeError())
        'TypeError'
    """
    text = " ".join(str(error).split()) or type(error).__name__
    if len(text) > LONGEST:  # a parser's message may print all layers of a network
        text = f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
    if isinstance(error, OSError) and error.strerror:
        what = "the disk" if error.filename is None else error.filename
        text = f"Expected to use {what}, got: {error.strerror}."
        step = STEPS.get(error.errno or 0)
        text = text if step is None else f"{text} {step} {go_on}"
    elif is_out_of_memory(error):
        # the error of a method that cannot take even one image says what to lower
        step = "Then" if ONE_IMAGE in text else "Lower `batch_size`, or in training `data.batch_size`, and"
        text = f"Out of memory: {text.rstrip('.')}. {step} {go_on.removeprefix('and ')}"
    elif isinstance(error, RuntimeError) and is_dead_worker(error):
        text = f"{text.rstrip('.')}. If it ran out of memory, lower `data.num_workers` or `data.batch_size`, {go_on}"
    elif isinstance(error, RuntimeError) and is_left_alone(error):
        text = f"Another process of this run has ended ({text[:100]}). See what it says, {go_on}"
    return text
