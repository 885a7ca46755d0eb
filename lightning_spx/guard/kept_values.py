"""Tensors, dicts and lists, remembered and put back."""

from collections import deque
from collections.abc import Iterable, MutableMapping
from operator import eq, is_
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# 64 MiB of float32: a larger tensor is not copied for every evaluation
LARGEST_COPY = 2**24
_ABSENT = object()


class KeptTensor:
    """A tensor's values, put back into the same object.

    Args:
        tensor: any but one of inference mode.
        name: for messages.
        most: elements of a tensor that is copied; of a larger one it is only known whether it was changed.

    Example:
        >>> count = torch.tensor(3)
        >>> kept = KeptTensor(count, "count")
        >>> _ = count.add_(1)
        >>> kept.put_back(), count.item()
        (True, 3)
    """

    def __init__(self, tensor: Tensor, name: str, most: int = LARGEST_COPY) -> None:
        self.tensor = tensor
        self.name = name
        self.version = tensor._version
        self.copy = tensor.detach().clone() if tensor.numel() <= most else None

    def put_back(self) -> bool:
        """Return False if it was changed and there is no copy of it."""
        changed = self.tensor._version != self.version
        if self.copy is None:
            return not changed
        if self.tensor.shape != self.copy.shape or self.tensor.dtype != self.copy.dtype:
            # observers of quantisation give their ranges another shape in place
            self.tensor.data = self.copy
        elif changed or not _equal(self.tensor, self.copy):
            with torch.inference_mode(False), torch.no_grad():
                self.tensor.copy_(self.copy)
        return True


class KeptLayers:
    """Parameters and buffers of plain layers: hundreds of small tensors, copied into one for each type and device.

    Example:
        >>> layer = torch.nn.Linear(1, 1)
        >>> kept = KeptLayers()
        >>> kept.add([layer.bias])
        >>> right = layer.bias.item()
        >>> with torch.no_grad():
        ...     _ = layer.bias.add_(1)
        >>> kept.put_back()
        >>> layer.bias.item() == right
        True
    """

    def __init__(self) -> None:
        self._groups: list[tuple[list[Tensor], list[int], Tensor]] = []

    def add(self, tensors: Iterable[Tensor]) -> None:
        """Copy some more."""
        alike: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
        for tensor in tensors:
            alike.setdefault((tensor.dtype, tensor.device), []).append(tensor)
        for (_, device), group in alike.items():
            # mixed precision refuses to join types other than its own
            with torch.no_grad(), torch.autocast(device.type, enabled=False):
                copies = torch.cat([tensor.reshape(-1) for tensor in group])
            self._groups.append((group, [tensor._version for tensor in group], copies))

    def put_back(self) -> None:
        """Put back what was written to."""
        for group, versions, copies in self._groups:
            changed = [
                place
                for place, (tensor, version) in enumerate(zip(group, versions, strict=True))
                if tensor._version != version
            ]
            if not changed:
                continue
            own = torch.split(copies, [tensor.numel() for tensor in group])
            with torch.inference_mode(False), torch.no_grad():
                for place in changed:
                    group[place].copy_(own[place].view_as(group[place]))


def _equal(tensor: Tensor, copy: Tensor) -> bool:
    # compiled kernels may write to a tensor without a new version of it; a GPU is not waited for
    return tensor.device.type == "cpu" and torch.equal(tensor, copy)


class KeptDict:
    """What stands in a dict, put back into the same object.

    Args:
        store: any dict.
        but: key that is left to others.

    Example:
        >>> seen = {"calls": 1}
        >>> kept = KeptDict(seen)
        >>> seen.update(calls=2, last="now")
        >>> kept.put_back()
        >>> seen
        {'calls': 1}
    """

    def __init__(self, store: MutableMapping[Any, Any], but: str | None = None) -> None:
        self.store = store
        self.content = dict(store)
        self.but = but

    def put_back(self) -> None:
        """Put back what is not there any more, and take away what is new."""
        content, store = self.content, self.store
        # the very objects, compared without a step of Python for each
        alike = len(content) == len(store) and all(map(is_, content.values(), store.values()))
        if alike and all(map(eq, content, store)):
            return
        for key in [key for key in store if key not in content and key != self.but]:
            del store[key]
        for key, value in content.items():
            if key != self.but and store.get(key, _ABSENT) is not value:
                store[key] = value


class KeptNames:
    """Some of the names in a dict, such as the global ones that a function uses."""

    def __init__(self, store: MutableMapping[str, Any], names: Iterable[str]) -> None:
        self.store = store
        self.content = {name: store[name] for name in names}

    def put_back(self) -> None:
        """Put back what stood there."""
        for name, value in self.content.items():
            if self.store.get(name, _ABSENT) is not value:
                self.store[name] = value


class KeptItems:
    """What a list, deque, set, bytearray or array holds, put back into the same object.

    Example:
        >>> seen = [1, 2]
        >>> kept = KeptItems(seen)
        >>> seen.append(3)
        >>> kept.put_back()
        >>> seen
        [1, 2]
    """

    def __init__(self, items: list[Any] | deque[Any] | set[Any] | bytearray | NDArray[Any]) -> None:
        self.items = items
        self.content = items.copy()

    def put_back(self) -> None:
        """Put back the items in their order."""
        items = self.items
        if isinstance(items, np.ndarray):
            items[...] = self.content
        elif isinstance(items, set):
            items.clear()
            items.update(self.content)
        else:
            items.clear()
            items.extend(self.content)
