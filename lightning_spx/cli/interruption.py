"""Handles Ctrl-C and a scheduler's SIGTERM: stops at once, leaves no half-written file and says how to resume."""

import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any, Self

from lightning_spx.runs.folder import last_opened

SIGNALS = (signal.SIGINT, signal.SIGTERM)
Handler = Callable[[int, FrameType | None], Any] | int | None


class Interruptible:
    """A context in which the first SIGINT or SIGTERM unwinds the program, and a second one ends it at once.

    It raises SystemExit with 128 plus the signal's number, as shells do (130, 143). It does not raise
    KeyboardInterrupt, because Lightning catches that and exits by itself.

    Args:
        words: the words of the command after `spx`.
        lightning: whether it is a command of Lightning, which handles signals itself.
    """

    def __init__(self, words: Sequence[str], *, lightning: bool = False) -> None:
        self.words = words
        self.lightning = lightning
        self._received: signal.Signals | None = None
        self._earlier: dict[signal.Signals, Handler] = {}
        self._process = os.getpid()

    def __enter__(self) -> Self:
        """Install the handlers; only the main thread gets signals."""
        last_opened.set(None)
        if not self.lightning and threading.current_thread() is threading.main_thread():
            self._earlier = {number: signal.signal(number, self._stop) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Restore the earlier handlers and, after a signal, say how to resume."""
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
        received = self._received
        if isinstance(error, KeyboardInterrupt):
            received = signal.SIGINT
        elif _is_lightnings(error):
            received = signal.SIGTERM
        if received is not None and kind is not None:
            # any exception on the way out, such as from a worker that got the signal too, follows from the signal
            print(f"\n{self.how_to_go_on(received)}", file=sys.stderr, flush=True)
            raise SystemExit(128 + received) from error

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            # A forked process, such as one that loads images, inherits this handler. Ctrl-C goes to all processes of a
            # terminal, but the parent ends its children.
            if number == signal.SIGTERM:
                os._exit(128 + number)
        elif self._received is None:
            self._received = signal.Signals(number)
            raise SystemExit(128 + number)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(self._process, number)

    def how_to_go_on(self, received: signal.Signals) -> str:
        """Say what stopped the run, what is kept and which command resumes it."""
        if self.lightning:
            return f"stopped by {received.name}: checkpoints are kept; go on from one of them with --ckpt_path"
        folder = last_opened.get()
        kept = "nothing was kept" if folder is None else f"what is finished is kept in {folder}"
        return f"stopped by {received.name}: {kept}; go on with: {shlex.join(['spx', *self.words])}"


def _is_lightnings(error: BaseException | None) -> bool:
    """Return whether Lightning has turned a SIGTERM into this exception, which it cannot have before it is imported."""
    if "lightning" not in sys.modules:
        return False
    from lightning.pytorch.utilities.exceptions import SIGTERMException

    return isinstance(error, SIGTERMException)
