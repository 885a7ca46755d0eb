"""The order in which pixels are removed."""

import torch

from lightning_spx.metrics import removal_ranks
from tests.metrics.removal_cases import HEIGHT, PIXELS, WIDTH, draw


def test_ties_are_broken_by_chance_and_every_pixel_has_a_rank() -> None:
    images, _, _ = draw(300)
    ranks = removal_ranks(torch.ones(300, HEIGHT, WIDTH), images)
    assert torch.equal(ranks.flatten(1).sort().values, torch.arange(PIXELS).expand(300, -1))
    # by position the mean rank of a pixel would be 0 ... 19; by chance it is 9.5, with standard error 0.33
    assert float((ranks.float().mean(0) - 9.5).abs().max()) < 1.4
    assert not torch.equal(ranks, removal_ranks(torch.ones(300, HEIGHT, WIDTH), images, seed=1))
