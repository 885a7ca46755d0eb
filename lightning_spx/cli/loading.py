"""Says what is being loaded, if that takes long enough to be noticed."""

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
    if not sys.stderr.isatty():
        # a log needs no sign of life
        yield
        return
    timer = threading.Timer(patience, print, [f"loading {what} ..."], {"file": sys.stderr, "flush": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
