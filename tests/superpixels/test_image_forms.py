"""In whatever form people hold an image, its segments are those of the tensor `(1, C, H, W)`, or it is refused."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors

from lightning_spx.superpixels import (
    Cached,
    Felzenszwalb,
    Grid,
    Precomputed,
    Quickshift,
    ScikitSlic,
    Segmenter,
    Slic,
    Voronoi,
    Watershed,
    borrow,
    image_key,
)
from lightning_spx.superpixels.image_forms import as_batch
from tests.superpixels.conftest import draw

LEVELS = (draw(2, 23, 17) * 255).round().byte()
PIXELS = LEVELS.movedim(1, -1).numpy()
RGB = LEVELS.float() / 255
GRAY = RGB[:, :1]


@pytest.fixture(
    params=[
        Slic(20),
        Slic(20, sigma=0.8),
        ScikitSlic(20),
        Felzenszwalb(50, min_size=10),
        Quickshift(),
        Watershed(20),
        Grid(20),
        Voronoi(20),
        "cached",
        "precomputed",
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Segmenter) else str(each),
)
def segmenter(request: pytest.FixtureRequest, tmp_path: Path) -> Segmenter:
    if request.param == "cached":
        return Cached(Slic(20), tmp_path)
    if request.param == "precomputed":
        for images in (RGB, GRAY):
            Precomputed(tmp_path).write(images, Slic(20)(images))
        return Precomputed(tmp_path)
    chosen: Segmenter = request.param
    return chosen


def test_every_form_of_a_batch_has_the_segments_of_its_tensor(segmenter: Segmenter) -> None:
    expected = segmenter(RGB)
    forms: dict[str, Any] = {
        "levels": LEVELS,
        "pixels, channels last": PIXELS,
        "pixels, channels first": LEVELS.numpy(),
        "floats": PIXELS.astype(np.float32) / np.float32(255),
        "double": RGB.double().numpy(),
        "mirrored in memory": np.ascontiguousarray(PIXELS[..., ::-1])[..., ::-1],
        "read-only": np.frombuffer(PIXELS.tobytes(), np.uint8).reshape(PIXELS.shape),
        "foreign byte order": RGB.numpy().astype(">f4"),
        "by columns": np.asfortranarray(RGB.numpy()),
        "of torchvision": tv_tensors.Image(LEVELS),
    }
    for name, images in forms.items():
        found = segmenter(images)
        assert type(found) is Tensor, name
        assert torch.equal(found, expected), name


def test_one_image_has_one_map(segmenter: Segmenter) -> None:
    expected, of_gray = segmenter(RGB[:1])[0], segmenter(GRAY[:1].expand(-1, 3, -1, -1))[0]
    colored: list[Any] = [RGB[0], LEVELS[0], PIXELS[0], LEVELS[0].numpy(), Image.fromarray(PIXELS[0])]
    gray = PIXELS[0, :, :, 0]
    without_color: list[Any] = [
        *(GRAY[0, 0], GRAY[0], gray, gray[None], gray[..., None], gray / 255, Image.fromarray(gray)),
    ]
    for images in colored:
        assert torch.equal(segmenter(images), expected)
    for images in without_color:
        assert torch.equal(segmenter(images), of_gray)


def test_several_channels_are_a_tensors_or_four() -> None:
    images = torch.rand(2, 10, 9, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Slic(6)(images[0]), Slic(6)(images)[0])
    four = images[:, :4]
    assert torch.equal(Slic(6)(four.movedim(1, -1).numpy()), Slic(6)(four))


@pytest.mark.parametrize("shape", [(3, 23, 3), (4, 4, 3), (1, 5, 1), (10, 9, 8), (9, 8, 10), (5, 6, 2), (2, 3, 9, 4)])
def test_an_array_that_does_not_show_its_channels_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"got shape {re.escape(str(shape))}, which does not show where they are"):
        Slic()(np.zeros(shape, np.float32))


@pytest.mark.parametrize("shape", [(23, 17, 3), (2, 23, 17, 3), (23, 17, 4)])
def test_a_tensor_with_the_channels_last_is_refused_and_the_advice_works(shape: tuple[int, ...]) -> None:
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=r"the channels first, got a tensor .*: give images\.movedim\(-1, -3\)\.$"):
        Slic()(images)
    assert Slic()(images.movedim(-1, -3)).shape == shape[:-1]


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        ("photo.png", TypeError, r"got a path: give PIL\.Image\.open\('photo\.png'\)\.$"),
        (Path("photo.png"), TypeError, r"got a path: give PIL\.Image\.open"),
        ([RGB[0], RGB[1]], TypeError, r"got a list: give one after the other, or torch\.stack\(images\)\.$"),
        (None, TypeError, "a tensor, an array or a picture, got NoneType"),
        (np.array([["a"]]), TypeError, "an array of numbers, got <U1"),
        (Image.new("RGBA", (4, 4)), ValueError, r"RGB or L, got RGBA: give images\.convert\('RGB'\)\.$"),
        (Image.new("P", (4, 4)), ValueError, "RGB or L, got P"),
        (np.full((6, 5, 3), 255.0), ValueError, "Divide by the largest value that they may have"),
        (np.zeros((4, 5), np.uint16), TypeError, r"got torch\.uint16: divide by the largest"),
        (np.zeros((4, 5), bool), TypeError, r"got torch\.bool"),
        (np.float32(0.5), TypeError, "got float32"),
        (torch.zeros(0, 4), ValueError, r"got \(1, 1, 0, 4\)"),
    ],
)
def test_anything_else_is_refused_in_a_line(images: object, error: type[Exception], message: str) -> None:
    given: Any = images
    with pytest.raises(error, match=message) as caught:
        Slic()(given)
    assert len(str(caught.value).splitlines()) == 1


def test_maps_of_one_image_are_stored_under_its_key_whatever_its_form(tmp_path: Path) -> None:
    labels = Slic(20)(RGB[0])
    for number, images in enumerate((RGB[0], LEVELS[0], PIXELS[0], Image.fromarray(PIXELS[0]))):
        stored = Precomputed(tmp_path / str(number))
        (path,) = stored.write(images, labels)
        assert path.stem == image_key(images) == image_key(RGB[0])
        assert torch.equal(stored(RGB[:1])[0], labels)
    with pytest.raises(ValueError, match="Expected one `image`, got a batch"):
        image_key(RGB)
    with pytest.raises(ValueError, match=r"got \(1, 2, 23, 17\) for \(1, 3, 23, 17\)"):
        Precomputed(tmp_path).write(RGB[0], Slic(20)(RGB))


def test_lists_of_places_will_do(tmp_path: Path) -> None:
    places: Any = [1, 0]
    cached, segments = Cached(Slic(20), tmp_path), Slic(20)(RGB)
    assert torch.equal(cached.of_index(RGB, "drawn", places), segments)
    assert torch.equal(borrow(segments, places), segments.flip(0))
    array: Any = PIXELS
    with pytest.raises(TypeError, match=r"floating point in \[0, 1\], got ndarray"):
        cached.of_index(array, "drawn", places)


def test_a_batch_is_not_copied_and_what_is_given_is_left_alone() -> None:
    assert as_batch(RGB, 3)[0] is RGB
    pixels = PIXELS.copy()
    Slic(20)(pixels)
    assert np.array_equal(pixels, PIXELS)
