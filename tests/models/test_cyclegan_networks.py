"""The networks of a CycleGAN have the published architecture."""

import torch

from lightning_spx.models import PatchDiscriminator, ResNetGenerator


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_published_architecture() -> None:
    assert round(count(ResNetGenerator(num_blocks=9)) / 1e6, 3) == 11.378
    assert round(count(ResNetGenerator(num_blocks=6)) / 1e6, 3) == 7.838
    assert round(count(PatchDiscriminator()) / 1e6, 3) == 2.765
