"""Models that need something around a forward pass and the backward pass that follows it."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

from torch import nn


class Prepared(nn.Module, ABC):
    """A model whose answers hold only within a context of its own, which `unchanged` enters.

    A forward pass alone could enter it by itself. A backward pass evaluates parts of the model once more where these
    are checkpointed, and that has to be the same model.

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
        """Return the context; it is left before the model's state is restored, and may be entered more than once."""
