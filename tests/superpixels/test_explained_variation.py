"""Explained variation equals R squared by hand, and is refused or missing where it has no meaning."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_spx.data.photos import find_images, read_images
from lightning_spx.superpixels import (
    Felzenszwalb,
    Grid,
    Slic,
    explained_variation,
    global_regularity,
    num_segments,
)

GENERATOR = torch.Generator().manual_seed(5)
IMAGES = torch.nn.functional.interpolate(torch.rand(3, 3, 6, 7, generator=GENERATOR), (24, 31), mode="bilinear")
SEGMENTS = Slic(20)(IMAGES)


def loop(ids: np.ndarray, image: np.ndarray) -> float:
    """R squared of the image in which every segment has its mean color, sum of all channels."""
    center = image.mean((1, 2))
    between = total = 0.0
    for y, x in np.ndindex(*ids.shape):
        mean = image[:, ids == ids[y, x]].mean(1)
        between += float(((mean - center) ** 2).sum())
        total += float(((image[:, y, x] - center) ** 2).sum())
    return between / total


@pytest.mark.parametrize("channels", [1, 3, 10])
def test_explained_variation_equals_a_loop(channels: int) -> None:
    image = torch.rand(1, channels, 9, 8, generator=torch.Generator().manual_seed(channels))
    ids = Grid(6)(image) if channels != 3 else Slic(6)(image)
    expected = loop(ids[0].numpy(), image[0].double().numpy())
    assert 0 < expected < 1
    assert explained_variation(ids, image).item() == pytest.approx(expected, abs=1e-6)


def test_all_is_explained_by_single_pixels_and_nothing_by_one_segment() -> None:
    pixels = torch.arange(24 * 31).view(1, 24, 31).expand(3, -1, -1)
    assert explained_variation(pixels, IMAGES).tolist() == [1.0] * 3
    assert explained_variation(torch.zeros_like(pixels), IMAGES).tolist() == [0.0] * 3


def test_a_finer_partition_explains_at_least_as_much() -> None:
    finer = SEGMENTS * 2 + (torch.arange(31) % 2)
    finer = torch.stack([each.unique(return_inverse=True)[1].view_as(each) for each in finer])
    assert (explained_variation(finer, IMAGES) >= explained_variation(SEGMENTS, IMAGES)).all()


def test_an_image_of_one_color_has_nothing_to_explain() -> None:
    # 0.1 and 0.7 have means that are rounded, so that a variance computed from them is not zero
    image = torch.tensor([0.1, 0.7, 0.3])[:, None, None].expand(1, 3, 24, 31)
    together = explained_variation(SEGMENTS[:2], torch.cat([image, IMAGES[1:2]]))
    assert together.isnan().tolist() == [True, False]


def test_an_image_alone_and_in_any_batch_has_the_same_value() -> None:
    together = explained_variation(SEGMENTS, IMAGES)
    assert together.dtype == torch.float32
    assert torch.equal(together, torch.cat([explained_variation(SEGMENTS[[n]], IMAGES[[n]]) for n in range(3)]))
    assert torch.equal(together[2], explained_variation(SEGMENTS[2], IMAGES[2]))
    assert torch.equal(together.flip(0), explained_variation(SEGMENTS.flip(0), IMAGES.flip(0)))
    assert explained_variation(SEGMENTS[:0], IMAGES[:0]).shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_types_are_read_as_they_are(dtype: torch.dtype) -> None:
    images = IMAGES.to(dtype)
    assert torch.equal(explained_variation(SEGMENTS, images), explained_variation(SEGMENTS, images.double()))


def test_a_small_variance_beside_a_large_mean_is_not_lost() -> None:
    # two halves of different brightness in the fourth decimal
    image = torch.full((1, 1, 4, 8), 0.9998)
    image[..., 4:] = 0.9999
    halves = (torch.arange(8) // 4).expand(1, 4, 8)
    assert explained_variation(halves, image).item() == pytest.approx(1.0)
    assert explained_variation(torch.zeros_like(halves), image).item() == 0.0


def test_what_has_no_meaning_is_refused() -> None:
    broken = IMAGES.clone()
    broken[1, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="in \\[0, 1\\], got values from nan"):
        explained_variation(SEGMENTS, broken)
    with pytest.raises(ValueError, match="in \\[0, 1\\]"):
        explained_variation(SEGMENTS, IMAGES * 255)
    with pytest.raises(TypeError, match="divide by the largest value"):
        explained_variation(SEGMENTS, (IMAGES * 255).byte())
    with pytest.raises(
        ValueError, match="`images` to have shape \\(N, C, H, W\\) with the \\(N, H, W\\) of `segments`"
    ):
        explained_variation(SEGMENTS, IMAGES[:, :, :12])
    with pytest.raises(ValueError, match="`images` to have shape"):
        explained_variation(SEGMENTS[:2], IMAGES)
    with pytest.raises(ValueError, match="give those of one image as segments\\[None\\]"):
        explained_variation(SEGMENTS[0], IMAGES)


@pytest.mark.real_data
def test_photos_have_the_order_of_the_paper(real_data: Path) -> None:
    paths = sorted((real_data / "bsds500").rglob("*.jpg"))[:5]
    photos = read_images(find_images([str(path) for path in paths], 3), 224, True, 3).images
    grid, slic, felzenszwalb = (segmenter(photos) for segmenter in (Grid(200), Slic(200), Felzenszwalb()))
    assert (num_segments(slic) < num_segments(grid)).all()
    regular = [global_regularity(each) for each in (grid, slic, felzenszwalb)]
    assert (regular[0] > regular[1]).all()
    assert (regular[1] > regular[2]).all()
    assert (explained_variation(slic, photos) > explained_variation(grid, photos)).all()
