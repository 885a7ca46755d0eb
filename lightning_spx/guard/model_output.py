"""Reads the tensor of interest out of whatever a user's model returns, the one place that knows those forms."""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from torch import Tensor, nn

# what picks the logits: a name, a position, or a function of all that the model returns
OutputChoice = str | int | Callable[[Any], Tensor]
LOGITS = "logits"
NAMES_SHOWN = 8


def read_output(returned: object, output: OutputChoice | None = None) -> Tensor:
    """Take a tensor out of what a model returns.

    Args:
        returned: a tensor, a tuple or list, or a mapping or object with named entries, as Hugging Face's models return.
        output: a name, a position or a function that picks the tensor; None takes the tensor itself, the first entry of
            a tuple, or the entry `logits`.

    Returns:
        The tensor as it is.

    Raises:
        TypeError: there is no tensor where one is expected.
        ValueError: there is no entry of that name or position; the message lists near names.

    Example:
        >>> import torch
        >>> returned = {"scores": torch.zeros(2, 3), "features": torch.ones(2, 8)}
        >>> read_output(returned, "scores").shape, read_output((torch.ones(2), "state")).shape
        (torch.Size([2, 3]), torch.Size([2]))
    """
    found: object = returned
    if callable(output):
        picked: object = output(returned)
        found = picked
        if not isinstance(picked, Tensor):
            name = getattr(output, "__name__", type(output).__name__)
            raise TypeError(f"Expected `output` {name} to return a tensor of logits, got {type(found).__name__}.")
    elif isinstance(output, str):
        found = _named(returned, output)
    elif isinstance(output, int):
        found = _at(returned, output)
    elif isinstance(returned, Mapping):
        found = returned.get(LOGITS)
    elif not isinstance(returned, Tensor) and hasattr(returned, LOGITS):
        found = getattr(returned, LOGITS)
    elif isinstance(returned, Sequence) and returned:
        found = returned[0]
    if isinstance(found, Tensor):
        return found
    if output is not None:
        raise TypeError(f"Expected a tensor of logits as `output` {output!r}, got {type(found).__name__}.")
    names = _names(returned)
    listed = f" with {', '.join(names[:NAMES_SHOWN])}: name one as `output`" if names else ""
    raise TypeError(
        "Expected the model's `forward` to return logits, a tuple that begins with them or something that holds "
        f"`logits`, got {type(returned).__name__}{listed}."
    )


class LogitsOnly(nn.Module):
    """Makes a model that returns logits alone of one that returns more, for libraries that need a tensor.

    Example:
        >>> import torch
        >>> LogitsOnly(lambda images: (images, "features"))(torch.ones(1))
        tensor([1.])
    """

    def __init__(self, model: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        return read_output(self.model(images))


def _named(returned: object, name: str) -> object:
    names = _names(returned)
    if isinstance(returned, Mapping) and name in returned:
        return returned[name]
    if not isinstance(returned, Mapping | Tensor) and hasattr(returned, name):
        return getattr(returned, name)
    near = get_close_matches(name, names) or names
    listed = ", ".join(near[:NAMES_SHOWN]) or f"nothing by name: it is of type {type(returned).__name__}"
    raise ValueError(f"Expected `output` to name what the model returns, got {name!r}: it returns {listed}.")


def _at(returned: object, position: int) -> object:
    # the entries of an object of named outputs have an order too
    entries = list(returned.values()) if isinstance(returned, Mapping) else returned
    if isinstance(entries, Tensor) or not isinstance(entries, Sequence):
        raise ValueError(
            f"Expected the model to return a tuple for `output` {position}, got {type(returned).__name__}."
        )
    if not -len(entries) <= position < len(entries):
        raise ValueError(f"Expected `output` to be a position among {len(entries)} outputs, got {position}.")
    return entries[position]


def _names(returned: object) -> list[str]:
    if isinstance(returned, Mapping):
        return [str(name) for name in returned]
    fields = getattr(returned, "_fields", None) or getattr(returned, "__dict__", {})
    return [] if isinstance(returned, Tensor) else [name for name in fields if not name.startswith("_")]
