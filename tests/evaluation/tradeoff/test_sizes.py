"""Sizes are those of each segmenter's own setting, and a model at chance is noticed."""

import torch

from lightning_spx.evaluation.tradeoff.sizes import at_chance, sized
from lightning_spx.superpixels import Felzenszwalb, GuidedFilter, JointBilateral, Slic, Watershed


def test_sizes_are_those_of_each_segmenters_own_setting() -> None:
    found = sized([Slic(), Watershed(), Felzenszwalb()], [16, 64])
    assert found == [Slic(n_segments=16), Slic(n_segments=64), Watershed(16), Watershed(64), Felzenszwalb()]
    # filters have none
    assert sized([JointBilateral(), GuidedFilter()], [16, 64]) == [JointBilateral(), GuidedFilter()]
    assert sized([Slic()], None) == [Slic()]


def test_chance_is_noticed() -> None:
    label = torch.arange(100) % 4
    assert at_chance(label.roll(1), label, 4)
    assert not at_chance(torch.where(torch.arange(100) < 60, label, 0), label, 4)
