"""Pictures without a content: laying one out takes several times as long as the study whose numbers it shows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

import numpy as np
from matplotlib.figure import Figure

_SAVE: Callable[..., None] = Figure.savefig
_SUBPLOTS: Callable[..., object] = Figure.subplots


def _save_blank(_: Figure, *where: object, **settings: object) -> None:
    _SAVE(Figure(figsize=(1, 1)), *where, **settings)


def _one_for_all(figure: Figure, nrows: int = 1, ncols: int = 1, *, squeeze: bool = True, **_: object) -> object:
    grid = np.full((nrows, ncols), _SUBPLOTS(figure), dtype=object)
    if not squeeze:
        return grid
    return grid.item() if grid.size == 1 else grid.squeeze()


@contextmanager
def blank() -> Iterator[None]:
    """Save an empty picture of the same format in place of each, whose panels are drawn on the same axes."""
    with mock.patch.object(Figure, "savefig", _save_blank), mock.patch.object(Figure, "subplots", _one_for_all):
        yield


@contextmanager
def drawn() -> Iterator[None]:
    """Save pictures as a user sees them: where a test looks at one, and once for each command."""
    with mock.patch.object(Figure, "savefig", _SAVE), mock.patch.object(Figure, "subplots", _SUBPLOTS):
        yield
