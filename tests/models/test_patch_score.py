"""The score of one patch."""

import torch

from lightning_spx.models import PatchDiscriminator, PatchScore


def test_a_patch_sees_70_pixels() -> None:
    images = torch.rand(1, 3, 256, 256, requires_grad=True)
    discriminator = PatchDiscriminator(channels=2)
    # instance normalization looks at the whole image: without it the patch is what its convolutions reach
    kept = [layer for layer in discriminator.layers if not isinstance(layer, torch.nn.InstanceNorm2d)]
    score = PatchScore(torch.nn.Sequential(*kept), region=(15, 15, 15, 15))(images)
    torch.autograd.backward(score.sum())
    assert images.grad is not None
    rows = images.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert int(rows.max() - rows.min()) + 1 == 70
