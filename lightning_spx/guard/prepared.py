"""Models that need a context around a forward pass and its backward pass."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

from torch import nn


class Prepared(nn.Module, ABC):
    """A model whose outputs are valid only inside its own context, which `unchanged` enters.

    A forward pass could enter the context by itself. But a backward pass evaluates checkpointed parts of the model
    again, and they must see the same model.

    Example:
        >>> from contextlib import contextmanager
        >>> import torch
        >>> from lightning_spx.guard import unchanged
        >>> class Loud(Prepared):
        ...     @contextmanager
        ...     def prepared(self):
        ...         print("before")
        ...         yield
        ...         print("after")
        >>> with unchanged(Loud(), torch.device("cpu")):
        ...     print("between")
        before
        between
        after
    """

    @abstractmethod
    def prepared(self) -> AbstractContextManager[None]:
        """Return the context; it ends before the model's state is restored, and may be entered several times."""
