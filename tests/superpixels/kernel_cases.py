"""Cases for the kernels of a GPU, for Triton's interpreter on a CPU; `test_kernels.py` starts pytest on this file."""

import pytest
import torch
from torch import Tensor

from lightning_spx.superpixels import Slic, kernels
from lightning_spx.superpixels.cielab import cielab
from lightning_spx.superpixels.connectivity import connected


def smooth(num: int, height: int, width: int) -> Tensor:
    coarse = torch.rand(num, 3, 4, 4, generator=torch.Generator().manual_seed(num))
    return torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize(
    ("segmenter", "size"),
    [
        (Slic(n_segments=9, max_num_iter=2), (2, 12, 15)),
        (Slic(n_segments=6, compactness=0.1, max_num_iter=3), (1, 11, 13)),
        (Slic(n_segments=1, max_num_iter=3), (1, 9, 9)),
        (Slic(n_segments=12, max_num_iter=1, min_size_factor=0), (1, 6, 17)),
        # a cell with more pixels than a program works on at a time
        (Slic(n_segments=2, max_num_iter=2), (1, 30, 70)),
        # pieces larger than cells are too small as well, and all become one
        (Slic(n_segments=4, max_num_iter=3, min_size_factor=3), (1, 12, 12)),
    ],
)
@pytest.mark.parametrize("kind", ["smooth", "noise"])
def test_kernels_and_tensors_give_the_same(segmenter: Slic, size: tuple[int, int, int], kind: str) -> None:
    images = smooth(*size)
    if kind == "noise":
        images = torch.rand(images.shape, generator=torch.Generator().manual_seed(0))
    pixels = (images * 255).round().to(torch.uint8)
    found = kernels.slic_segments(cielab(pixels), *segmenter._scaled(*size[1:]), segmenter.max_num_iter)
    assert torch.equal(found, segmenter.segment(pixels))


@pytest.mark.parametrize("min_size", [0, 3, 40])
def test_labels_of_many_pieces_are_connected(min_size: int) -> None:
    labels = torch.randint(3, (2, 19, 23), generator=torch.Generator().manual_seed(0))
    # a spiral: a piece whose pixels are far apart on the way through it
    labels[0] = 0
    for ring in range(0, 9, 2):
        labels[0, ring : 19 - ring, ring : 23 - ring] = 1
        labels[0, ring + 1 : 18 - ring, ring + 1 : 22 - ring] = 0
        labels[0, ring + 1, ring] = 0
    assert torch.equal(kernels.connected(labels.int(), min_size), connected(labels, min_size))


def test_no_images_are_no_segments() -> None:
    assert kernels.connected(torch.zeros(0, 4, 4, dtype=torch.int32), 2).shape == (0, 4, 4)
