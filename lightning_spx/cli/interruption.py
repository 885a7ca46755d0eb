"""Ctrl-C and a scheduler's SIGTERM: the run stops at once, leaves nothing half written and says how to go on."""

import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any, Self

from lightning.pytorch.utilities.exceptions import SIGTERMException

from lightning_spx.runs.folder import last_opened

SIGNALS = (signal.SIGINT, signal.SIGTERM)
Handler = Callable[[int, FrameType | None], Any] | int | None


class Interruptible:
    """A context in which the first SIGINT or SIGTERM unwinds the program, and the next ends it at once.

    It ends in SystemExit with 128 and the signal's number, as shells have it (130, 143), and not in KeyboardInterrupt,
    on which Lightning exits on its own.

    Args:
        words: of the command, after `spx`.
        lightning: the command is one of Lightning's, which treats signals in its own way.
    """

    def __init__(self, words: Sequence[str], *, lightning: bool = False) -> None:
        self.words = words
        self.lightning = lightning
        self._received: signal.Signals | None = None
        self._earlier: dict[signal.Signals, Handler] = {}
        self._process = os.getpid()

    def __enter__(self) -> Self:
        """Take over the signals; they come to the main thread alone."""
        last_opened.set(None)
        if not self.lightning and threading.current_thread() is threading.main_thread():
            self._earlier = {number: signal.signal(number, self._stop) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the signals back and, after one of them, say how to go on."""
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
        received = self._received
        if isinstance(error, KeyboardInterrupt):
            received = signal.SIGINT
        elif isinstance(error, SIGTERMException):
            received = signal.SIGTERM
        if received is not None and kind is not None:
            # whatever was raised on the way out, by a worker that got the signal too say, follows from it
            print(f"\n{self.how_to_go_on(received)}", file=sys.stderr, flush=True)
            raise SystemExit(128 + received) from error

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            # A forked process, such as one that loads images, has this handler too. Ctrl-C goes to all processes of a
            # terminal, and it is its parent's to end it.
            if number == signal.SIGTERM:
                os._exit(128 + number)
        elif self._received is None:
            self._received = signal.Signals(number)
            raise SystemExit(128 + number)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(self._process, number)

    def how_to_go_on(self, received: signal.Signals) -> str:
        """Say what stopped the run, what is kept and which command goes on."""
        if self.lightning:
            return f"stopped by {received.name}: checkpoints are kept; go on from one of them with --ckpt_path"
        folder = last_opened.get()
        kept = "nothing was kept" if folder is None else f"what is finished is kept in {folder}"
        return f"stopped by {received.name}: {kept}; go on with: {shlex.join(['spx', *self.words])}"
