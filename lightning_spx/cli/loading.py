"""Imports what takes long: without searching for garbage amid it, and with a word to whoever waits."""

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 1.0


@contextmanager
def loading(what: str, patience: float = PATIENCE) -> Iterator[None]:
    """Print one line on stderr if the block takes longer than `patience` seconds and a person looks at a terminal.

    Args:
        what: names what the block imports.
        patience: number of seconds without a word.
    """
    # a log needs no sign of life
    timer = threading.Timer(patience, _say, [what]) if sys.stderr.isatty() else None
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        with _without_garbage():
            yield
    finally:
        if timer is not None:
            timer.cancel()


def _say(what: str) -> None:
    print(f"loading {what} ...", file=sys.stderr, flush=True)


@contextmanager
def _without_garbage() -> Iterator[None]:
    """Do not look for garbage among modules, which stay: the search takes a tenth of the time of the imports."""
    if not gc.isenabled() or "torch" in sys.modules:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
