"""A tensor or a container, remembered and put back."""

from collections import deque
from typing import Any

import numpy as np
import torch
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
        with torch.inference_mode(False), torch.no_grad():
            if self.tensor.shape != self.copy.shape or self.tensor.dtype != self.copy.dtype:
                # observers of quantisation give their ranges another shape in place
                self.tensor.data = self.copy
            elif changed or not _equal(self.tensor, self.copy):
                self.tensor.copy_(self.copy)
        return True


def _equal(tensor: Tensor, copy: Tensor) -> bool:
    # compiled kernels may write to a tensor without a new version of it; a GPU is not waited for
    return tensor.device.type == "cpu" and torch.equal(tensor, copy)


class KeptContainer:
    """What a dict, list, deque, set, bytearray or array holds, put back into the same object.

    Args:
        container: any of these.
        but: key of a dict that is left to others.
        only: keys of a dict that are put back; None for all, and none beside them.

    Example:
        >>> seen = [1, 2]
        >>> kept = KeptContainer(seen)
        >>> seen.append(3)
        >>> kept.put_back()
        >>> seen
        [1, 2]
    """

    def __init__(self, container: Any, but: str | None = None, only: tuple[str, ...] | None = None) -> None:
        self.container = container
        self.but = but
        self.only = only
        if only is not None:
            self.content: Any = {key: container.get(key, _ABSENT) for key in only}
        elif isinstance(container, dict):
            self.content = dict(container)
        else:
            self.content = container.copy()

    def put_back(self) -> None:
        """Put back what is not there any more, and take away what is new."""
        content, container = self.content, self.container
        if isinstance(container, dict):
            self._put_back_items(container)
        elif isinstance(container, np.ndarray):
            container[...] = content
        elif isinstance(container, set):
            container.clear()
            container.update(content)
        elif isinstance(container, deque):
            container.clear()
            container.extend(content)
        else:
            container[:] = content

    def _put_back_items(self, container: dict[Any, Any]) -> None:
        if self.only is None:
            for key in [key for key in container if key not in self.content and key != self.but]:
                del container[key]
        for key, value in self.content.items():
            if key == self.but or container.get(key, _ABSENT) is value:
                continue
            if value is _ABSENT:
                container.pop(key, None)
            else:
                container[key] = value
