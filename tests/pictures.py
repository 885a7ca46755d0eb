"""Pictures without a content: laying one out takes several times as long as the study whose numbers it shows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

from matplotlib.figure import Figure

_SAVE: Callable[..., None] = Figure.savefig


def _save_blank(_: Figure, *where: object, **settings: object) -> None:
    _SAVE(Figure(figsize=(1, 1)), *where, **settings)


@contextmanager
def blank() -> Iterator[None]:
    """Save an empty picture of the same format in place of each."""
    with mock.patch.object(Figure, "savefig", _save_blank):
        yield


@contextmanager
def drawn() -> Iterator[None]:
    """Save pictures as a user sees them: where a test looks at one, and once for each command."""
    with mock.patch.object(Figure, "savefig", _SAVE):
        yield
