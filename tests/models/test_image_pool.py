"""The pool of earlier translations."""

import pytest
import torch

from lightning_spx.models.image_pool import ImagePool


def test_the_pool_swaps_half_of_the_images_once_it_is_full() -> None:
    pool = ImagePool(size=50, seed=0)
    filled = torch.arange(50.0)[:, None]
    assert torch.equal(pool.query(filled), filled)
    later = torch.arange(50.0, 1050.0)[:, None]
    given = torch.cat([pool.query(image[None]) for image in later])
    old = float((given < later).float().mean())
    assert old == pytest.approx(0.5, abs=0.05)
    held = torch.stack(pool.images).flatten()
    # nothing is lost, nothing is doubled
    assert sorted(torch.cat([held, given.flatten()]).tolist()) == list(range(1050))
