"""Saves and restores tensors, dicts and lists."""

import copy
import random
from collections import deque
from collections.abc import Iterable, MutableMapping
from operator import is_
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# 16 MiB of float32: larger tensors, arrays and lists are data and are not copied for every evaluation
LARGEST_COPY = 2**22
LONGEST_COPY = 10_000
_ABSENT = object()
Generator = torch.Generator | np.random.Generator | np.random.RandomState | random.Random


class KeptTensor:
    """Keeps a tensor's values and restores them into the same object.

    Args:
        tensor: any tensor except one of inference mode.
        name: its name in messages.
        most: largest number of elements to copy; for a larger tensor, only a change is detected.

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
        """Restore the tensor; return False if it was changed and there is no copy."""
        changed = self.tensor._version != self.version
        if self.copy is None:
            return not changed
        if self.tensor.shape != self.copy.shape or self.tensor.dtype != self.copy.dtype:
            # observers of quantization change the shape of their ranges in place
            self.tensor.data = self.copy
        elif changed or not _equal(self.tensor, self.copy):
            with torch.inference_mode(False), torch.no_grad():
                self.tensor.copy_(self.copy)
        return True


class KeptLayers:
    """Keeps parameters and buffers of plain layers: hundreds of small tensors, copied into one per type and device.

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
        """Copy more tensors."""
        alike: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
        for tensor in tensors:
            alike.setdefault((tensor.dtype, tensor.device), []).append(tensor)
        for group in alike.values():
            self._groups.append((group, [tensor._version for tensor in group], _joined(group)))

    def put_back(self) -> None:
        """Restore the tensors that were written to."""
        for group, versions, copies in self._groups:
            same = all(tensor._version == version for tensor, version in zip(group, versions, strict=True))
            # writing through `.data` gives no new version; comparing values would wait for a GPU
            if same and (copies.device.type != "cpu" or torch.equal(_joined(group), copies)):
                continue
            own = torch.split(copies, [tensor.numel() for tensor in group])
            with torch.inference_mode(False), torch.no_grad():
                for tensor, version, right in zip(group, versions, own, strict=True):
                    if tensor._version != version or not torch.equal(tensor.reshape(-1), right):
                        tensor.copy_(right.view_as(tensor))


def _equal(tensor: Tensor, copy: Tensor) -> bool:
    if tensor.layout is not torch.strided or tensor.is_nested:
        return True
    # compiled kernels and `.data` write without a new version; comparing values would wait for a GPU
    return tensor.device.type == "cpu" and torch.equal(tensor, copy)


def _joined(group: list[Tensor]) -> Tensor:
    # autocast refuses to join other types than its own
    with torch.no_grad(), torch.autocast(group[0].device.type, enabled=False):
        return torch.cat([tensor.reshape(-1) for tensor in group])


class KeptDict:
    """Keeps the entries of a dict and restores them into the same object.

    Args:
        store: any dict.
        but: key to ignore.

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
        """Restore entries that are gone or changed, and remove new ones."""
        content, store = self.content, self.store
        # compares identities without a Python step for each entry
        alike = len(content) == len(store) and all(map(is_, content.values(), store.values()))
        if alike and all(map(is_, content, store)):
            return
        left = store.get(self.but, _ABSENT)
        store.clear()
        store.update(content)
        if left is not _ABSENT:
            store[self.but] = left


class KeptNames:
    """Keeps some names of a dict, such as the global ones that a function uses."""

    def __init__(self, store: MutableMapping[str, Any], names: Iterable[str]) -> None:
        self.store = store
        self.content = {name: store[name] for name in names}

    def put_back(self) -> None:
        """Restore the values of these names."""
        for name, value in self.content.items():
            if self.store.get(name, _ABSENT) is not value:
                self.store[name] = value


class KeptGenerator:
    """Keeps the state of a random number generator that a model holds.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> kept = KeptGenerator(generator)
        >>> first = generator.random()
        >>> kept.put_back()
        >>> generator.random() == first
        True
    """

    def __init__(self, generator: Generator) -> None:
        self.generator = generator
        self.state: Any
        if isinstance(generator, random.Random):
            self.state = generator.getstate()
        elif isinstance(generator, np.random.Generator):
            self.state = copy.deepcopy(generator.bit_generator.state)
        else:
            self.state = generator.get_state()

    def put_back(self) -> None:
        """Restore the state."""
        generator = self.generator
        if isinstance(generator, random.Random):
            generator.setstate(self.state)
        elif isinstance(generator, np.random.Generator):
            generator.bit_generator.state = self.state
        else:
            generator.set_state(self.state)


class KeptItems:
    """Keeps the items of a list, deque, set, bytearray or array and restores them into the same object.

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
        """Restore the items in their order."""
        items = self.items
        if isinstance(items, np.ndarray):
            items[...] = self.content
        elif isinstance(items, list | deque) and len(items) == len(self.content):
            if not all(map(is_, items, self.content)):
                items.clear()
                items.extend(self.content)
        elif isinstance(items, set):
            items.clear()
            items.update(self.content)
        else:
            items.clear()
            items.extend(self.content)
