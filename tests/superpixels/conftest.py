"""Images that have something to segment, drawn from a seed, and the count of pieces of a label map."""

from functools import partial

import pytest
import torch
from skimage.measure import label
from torch import Tensor

label_pieces = partial(label, background=-1, connectivity=1)


def draw(num_images: int, height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    rows = torch.linspace(-1, 1, height)[:, None]
    columns = torch.linspace(-1, 1, width)
    images = 0.1 * torch.rand(num_images, 3, height, width, generator=generator)
    for image in images:
        for _ in range(4):
            x, y, radius, *color = torch.rand(6, generator=generator)
            inside = (rows - 2 * y + 1) ** 2 + (columns - 2 * x + 1) ** 2 < (0.2 + radius / 2) ** 2
            image[:, inside] += 0.7 * torch.stack(color)[:, None]
    return images.clamp(0, 1)


def num_pieces(labels: Tensor) -> int:
    """Return the number of 4-connected pieces of one label map."""
    return int(label_pieces(labels.numpy()).max())


@pytest.fixture(scope="session")
def images() -> Tensor:
    return draw(4, 37, 29)
