"""Resizing keeps the shape of things and the center."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lightning_spx.data.resize import resize_and_crop, resize_labels
from tests.inputs.strategies import examples


def test_resizing_keeps_the_shape_of_things_and_the_center() -> None:
    image = torch.zeros(3, 40, 80)
    image[:, 10:30, 30:50] = 1.0
    result = resize_and_crop(image, 20)
    assert result.shape == (3, 20, 20)
    # the square of 20 px in the middle of 40 rows is one of 10 px in the middle of 20
    torch.testing.assert_close(result[0, 10, 6:14], torch.ones(8))
    torch.testing.assert_close(result[0, 6:14, 10], torch.ones(8))
    assert result[0, 2].max() == 0


def test_an_image_of_the_right_size_is_not_touched() -> None:
    image = torch.rand(3, 20, 20)
    assert resize_and_crop(image, 20) is image


SIDES = st.integers(1, 40)


def slow(labels: Tensor, image_size: int) -> list[list[int]]:
    """Take, for the center of each new pixel, the old pixel in which it lies."""
    height, width = labels.shape
    shorter = min(height, width)
    rows, columns = (image_size * side // shorter for side in (height, width))
    top, left = round((rows - image_size) / 2), round((columns - image_size) / 2)
    return [
        [
            int(labels[int((row + 0.5) * height / rows), int((column + 0.5) * width / columns)])
            for column in range(left, left + image_size)
        ]
        for row in range(top, top + image_size)
    ]


@examples(200)
@given(height=SIDES, width=SIDES, image_size=st.integers(1, 50), first=st.sampled_from([0, 2**24, 2**40, 2**62]))
def test_ids_are_those_at_the_centers_of_the_new_pixels(height: int, width: int, image_size: int, first: int) -> None:
    labels = first + torch.arange(height * width).view(height, width)
    found = resize_labels(labels, image_size)
    assert found.dtype == torch.int64
    assert torch.isin(found, labels).all()
    places, expected = found - first, torch.tensor(slow(labels, image_size)) - first
    # a center on the border of two pixels may be rounded to either by the loop's floats
    assert ((places // width - expected // width).abs() <= 1).all()
    assert (places == expected).float().mean() >= 0.9 or image_size < 10


@examples(60)
@given(height=SIDES, width=SIDES, image_size=st.sampled_from([2, 3, 4, 8, 16]))
def test_centers_are_those_of_the_loop_where_floats_are_exact(height: int, width: int, image_size: int) -> None:
    shorter = min(height, width)
    height, width = (side * image_size // shorter * shorter // image_size or side for side in (height, width))
    labels = torch.arange(height * width).view(height, width)
    if min(height, width) in (1, 2, 4, 8, 16, 32):
        assert resize_labels(labels, image_size).tolist() == slow(labels, image_size)


@pytest.mark.parametrize("shape", [(40, 60), (61, 37), (30, 30), (33, 200), (17, 18), (224, 500), (500, 375)])
@pytest.mark.parametrize("image_size", [15, 16, 32, 64])
def test_ids_lie_where_their_pixels_do(shape: tuple[int, int], image_size: int) -> None:
    down, across = torch.meshgrid(*(torch.arange(side, dtype=torch.float32) for side in shape), indexing="ij")
    image = resize_and_crop(torch.stack([down, across]), image_size)
    assert image.shape[1:] == resize_labels(down.long(), image_size).shape
    for seen, labels in zip(image, (down, across), strict=True):
        found = resize_labels(labels.long(), image_size).float()
        # an interpolated ramp is the place itself, but for the border
        inner = (slice(2, -2), slice(2, -2))
        assert (seen - found)[inner].abs().max() <= 0.5 + 1e-3
        assert abs(float((seen - found)[inner].mean())) <= 0.51


@pytest.mark.parametrize("factor", [2, 3, 7])
def test_whole_factors_are_exact(factor: int) -> None:
    labels = torch.arange(36).view(6, 6) * 2**33 + 1
    larger = labels.repeat_interleave(factor, 0).repeat_interleave(factor, 1)
    assert torch.equal(resize_labels(labels, 6 * factor), larger)
    assert torch.equal(resize_labels(larger, 6), labels)


def test_torchvisions_way_would_lose_large_ids() -> None:
    from torchvision import tv_tensors
    from torchvision.transforms.v2 import functional

    labels = torch.tensor([[2**24, 2**24 + 1], [2**24 + 2, 2**24 + 3]])
    theirs = functional.resize(tv_tensors.Mask(labels), [4, 4])
    assert set(theirs.flatten().tolist()) == {2**24, 2**24 + 2, 2**24 + 4}
    assert set(resize_labels(labels, 4).flatten().tolist()) == set(labels.flatten().tolist())


def test_flags_stay_flags_and_a_map_of_the_right_size_is_not_touched() -> None:
    flags = torch.tensor([[True, False], [False, True]])
    assert resize_labels(flags, 4).dtype == torch.bool
    assert resize_labels(flags, 2) is flags


def test_other_maps_are_refused() -> None:
    with pytest.raises(TypeError, match=r"`labels` to be integers, got torch\.float32"):
        resize_labels(torch.rand(3, 3), 2)
    for shape in ((1, 3, 3), (0, 3)):
        with pytest.raises(ValueError, match=r"shape \(H, W\) with pixels"):
            resize_labels(torch.zeros(shape, dtype=torch.int64), 2)
    with pytest.raises(ValueError, match="for 0 px"):
        resize_labels(torch.zeros(3, 3, dtype=torch.int64), 0)
