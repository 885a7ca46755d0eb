"""Segments come with the batches of a loader."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from lightning_spx.superpixels import Cached, WithSegments
from lightning_spx.superpixels.image_key import eight_bit
from tests.superpixels.cache_cases import SLIC, files


@pytest.mark.parametrize("num_workers", [0, 2])
def test_segments_come_with_the_batches(num_workers: int, images: Tensor, tmp_path: Path) -> None:
    items = [{"image": image, "index": torch.tensor(place)} for place, image in enumerate(images)]
    cached = Cached(SLIC, tmp_path)
    expected = SLIC(eight_bit(images).float() / 255)
    for dataset in (WithSegments(items, SLIC), WithSegments(items, cached), WithSegments(items, cached, data="photos")):
        batches = list(DataLoader(dataset, batch_size=3, num_workers=num_workers))
        assert torch.equal(torch.cat([batch["segments"] for batch in batches]), expected)
    assert len(files(tmp_path)) == 8
    with pytest.raises(TypeError, match="Expected `segmenter` to be Cached where `data` is given"):
        WithSegments(items, SLIC, data="photos")


def test_items_may_hold_pictures_and_must_be_dicts(images: Tensor) -> None:
    levels = eight_bit(images)
    pictures: Any = [{"image": Image.fromarray(each.movedim(0, -1).numpy())} for each in levels]
    for number, expected in enumerate(SLIC(levels)):
        assert torch.equal(WithSegments(pictures, SLIC)[number]["segments"], expected)
    pairs: Any = [(images[0], 1)]
    with pytest.raises(TypeError, match="items of the data set to be dicts with `image`, got tuple"):
        WithSegments(pairs, SLIC)[0]
