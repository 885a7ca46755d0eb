"""A normalization that a network says it needs is never left out in silence."""

import warnings

import pytest
import torch
from torch import nn

from lightning_spx.models.said_normalization import chosen_normalization


@pytest.mark.parametrize("shape", [(3,), (3, 1, 1), (1, 3, 1, 1)])
def test_a_network_with_a_mean_and_a_std_of_its_own_is_not_normalized_in_silence(shape: tuple[int, ...]) -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 1))
    network[0].register_buffer("pixel_mean", torch.zeros(shape))
    network[0].register_buffer("pixel_std", torch.ones(shape))
    with pytest.warns(UserWarning, match=r"has the buffers `0\.pixel_mean` and `0\.pixel_std`.* give `mean`"):
        chosen_normalization(network)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chosen_normalization(network, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
        chosen_normalization(nn.BatchNorm2d(3))
