"""Adds segments to items in the workers of a DataLoader."""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from lightning_spx.superpixels.cache import Cached
from lightning_spx.superpixels.image_forms import as_batch
from lightning_spx.superpixels.only_segments import refuse_filters
from lightning_spx.superpixels.segmenter import Segmenter


class ImageItems(Protocol):
    """A data set whose items are dicts with `image` `(C, H, W)` in [0, 1] and, for cached segments, `index`."""

    def __len__(self) -> int:
        """Return the number of items."""

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return an item."""


class WithSegments(Dataset[dict[str, Tensor]]):
    """Adds `segments` `(H, W)` int64 to the items of a data set.

    Args:
        dataset: Its items are dicts with `image` `(C, H, W)` in [0, 1] and, if `data` is given, `index`.
        segmenter: Segments one image at a time.
        data: As in `Cached.of_index`: identifies unaugmented images by their place in the data set. None identifies
            them by their pixels.

    Raises:
        TypeError: If `segmenter` is a filter, or `data` is given for a segmenter that is not `Cached`.

    Example:
        >>> from torch.utils.data import DataLoader
        >>> from lightning_spx.superpixels.slic import Slic
        >>> photos = [{"image": torch.rand(3, 16, 16)} for _ in range(4)]
        >>> batch = next(iter(DataLoader(WithSegments(photos, Slic(n_segments=4)), batch_size=4)))
        >>> batch["segments"].shape
        torch.Size([4, 16, 16])
    """

    def __init__(self, dataset: ImageItems, segmenter: Segmenter, data: str | None = None) -> None:
        refuse_filters(segmenter, "WithSegments")
        if data is not None and not isinstance(segmenter, Cached):
            raise TypeError(f"Expected `segmenter` to be Cached where `data` is given, got {segmenter!r}.")
        self.dataset = dataset
        self.segmenter = segmenter
        self.data = data

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return an item with its segments."""
        item = self.dataset[index]
        if not isinstance(item, Mapping) or "image" not in item:
            raise TypeError(f"Expected items of the data set to be dicts with `image`, got {type(item).__name__}.")
        image, _ = as_batch(item["image"], channels=None)
        if self.data is not None and isinstance(self.segmenter, Cached):
            segments = self.segmenter.of_index(image, self.data, torch.as_tensor(item["index"]).reshape(1))
        else:
            segments = self.segmenter(image)
        return {**item, "segments": segments[0]}
