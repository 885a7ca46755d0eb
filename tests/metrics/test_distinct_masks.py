"""Distinct masks: those that a loop over pairs finds."""

import torch

from lightning_spx.metrics.distinct_masks import distinct_masks


def test_each_mask_is_there_once_and_is_found_at_its_place() -> None:
    # 3 pixels have 8 masks: 30 draws repeat many of them; 3 is no multiple of the 8 bits of a byte
    masks = torch.rand(30, 4, 1, 3, generator=torch.Generator().manual_seed(0)) < 0.5
    distinct, image, place = distinct_masks(masks)
    expected = [list(dict.fromkeys(tuple(mask.flatten().tolist()) for mask in masks[:, n])) for n in range(4)]
    assert [tuple(mask.flatten().tolist()) for mask in distinct] == [mask for own in expected for mask in own]
    assert image.tolist() == [n for n in range(4) for _ in expected[n]]
    assert torch.equal(distinct[place], masks)
    assert torch.equal(image[place], torch.arange(4).expand(30, 4))


def test_without_masks_or_images_there_is_nothing() -> None:
    for shape in ((0, 2, 3, 3), (2, 0, 3, 3)):
        distinct, image, place = distinct_masks(torch.zeros(shape, dtype=torch.bool))
        assert (len(distinct), len(image), place.shape) == (0, 0, shape[:2])
