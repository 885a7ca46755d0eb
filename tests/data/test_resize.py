"""Resizing keeps the shape of things and the center."""

import torch

from lightning_spx.data.resize import resize_and_crop


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
