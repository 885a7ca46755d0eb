"""The memory format in which weights learn, and that of images that are explained."""

import pytest
import torch
from torch import nn

from lightning_spx.models import SmallResNet
from lightning_spx.models.cyclegan_networks import PatchDiscriminator, ResNetGenerator
from lightning_spx.models.memory_format import in_training_format


@pytest.mark.parametrize(
    "network",
    [SmallResNet(width=4), PatchDiscriminator(channels=4), ResNetGenerator(num_blocks=1, channels=4)],
    ids=lambda network: type(network).__name__,
)
def test_images_do_not_choose_the_memory_format_in_which_weights_learn(network: nn.Module) -> None:
    images = torch.rand(2, 3, 32, 32).to(memory_format=torch.channels_last)
    formats = []
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            # no gradient is asked for here, and none computed
            layer.register_forward_pre_hook(
                lambda layer, inputs: formats.extend([inputs[0].is_contiguous(), layer.weight.is_contiguous()])
            )
    with torch.no_grad():
        network(images)
    assert formats
    assert all(formats)


def test_images_that_are_explained_keep_their_memory_format() -> None:
    network = SmallResNet(width=4).requires_grad_(False)
    images = torch.rand(2, 3, 8, 8).to(memory_format=torch.channels_last)
    assert in_training_format(images, network) is images
