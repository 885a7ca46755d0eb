"""Files of CycleGAN's original code: the same numbers as the original networks, built here layer by layer."""

import functools
from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from lightning_spx.models.original_cyclegan import original_discriminator, original_generator, original_state

IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
instance_norm = functools.partial(nn.InstanceNorm2d, affine=False, track_running_stats=False)


class Original(nn.Module):
    """A network of the original code, whose layers are in `model`."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.model = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.model(images)
        return found


class OriginalBlock(nn.Module):
    """A residual block of the original code."""

    def __init__(self, width: int, dropout: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), instance_norm(width), nn.ReLU()]
        layers += [nn.Dropout(0.5)] if dropout else []
        layers += [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), instance_norm(width)]
        self.conv_block = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        changed: Tensor = self.conv_block(features)
        return features + changed


def discriminator(n_layers: int, ndf: int, batch_norm: bool = False, channels: int = 3) -> Original:
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Conv2d(channels, ndf, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    width = ndf
    for number in range(1, n_layers + 1):
        wider = ndf * min(2**number, 8)
        layers.append(nn.Conv2d(width, wider, 4, 2 if number < n_layers else 1, 1, bias=not batch_norm))
        layers += [nn.BatchNorm2d(wider) if batch_norm else instance_norm(wider), nn.LeakyReLU(0.2, True)]
        width = wider
    return Original(*layers, nn.Conv2d(width, 1, 4, 1, 1)).eval()


def generator(ngf: int, blocks: int, dropout: bool) -> Original:
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, ngf, 7), instance_norm(ngf), nn.ReLU()]
    for width in (ngf, 2 * ngf):
        layers += [nn.Conv2d(width, 2 * width, 3, 2, 1), instance_norm(2 * width), nn.ReLU()]
    layers += [OriginalBlock(4 * ngf, dropout) for _ in range(blocks)]
    for width in (4 * ngf, 2 * ngf):
        up = nn.ConvTranspose2d(width, width // 2, 3, 2, padding=1, output_padding=1)
        layers += [up, instance_norm(width // 2), nn.ReLU()]
    return Original(*layers, nn.ReflectionPad2d(3), nn.Conv2d(ngf, 3, 7), nn.Tanh()).eval()


def state_of(network: nn.Module) -> dict[str, Tensor]:
    state = original_state(network.state_dict())
    assert state is not None
    return state


@pytest.mark.parametrize(("n_layers", "ndf"), [(3, 8), (1, 4), (5, 2)])
@torch.no_grad()
def test_a_discriminator_scores_as_the_original_does(n_layers: int, ndf: int) -> None:
    original = discriminator(n_layers, ndf)
    images = IMAGES.repeat(1, 1, 2, 2)
    assert torch.equal(original_discriminator(state_of(original)).eval()(images), original(2 * images - 1))


@pytest.mark.parametrize("dropout", [False, True])
@torch.no_grad()
def test_a_generator_translates_as_the_original_does(dropout: bool) -> None:
    original = generator(4, 9, dropout)
    ours = original_generator(state_of(original)).eval()
    assert torch.allclose(2 * ours(IMAGES) - 1, original(2 * IMAGES - 1), atol=1e-6)


@torch.no_grad()
def test_wrappers_and_what_old_instance_normalization_saved_do_not_count() -> None:
    original = discriminator(3, 4)
    old: OrderedDict[str, Tensor] = OrderedDict(original.state_dict())
    for layer, width in ((3, 8), (6, 16), (9, 32)):
        old |= {f"model.{layer}.running_mean": torch.rand(width), f"model.{layer}.running_var": torch.rand(width)}
        old[f"model.{layer}.num_batches_tracked"] = torch.tensor(7)
    wrapped = {f"_orig_mod.module.{name}": value for name, value in old.items()}
    state = original_state(wrapped)
    assert state is not None
    assert torch.equal(original_discriminator(state).eval()(IMAGES), original(2 * IMAGES - 1))


def test_other_networks_are_refused_with_the_reason() -> None:
    unet = {"model.model.0.weight": torch.rand(4, 3, 4, 4)}
    pixels = {"net.0.weight": torch.rand(4, 3, 1, 1)}
    for state, reason in (
        (state_of(generator(2, 1, False)), "it is a generator"),
        (unet, "it is a generator"),
        (state_of(discriminator(3, 2, batch_norm=True)), "batch normalization"),
        (state_of(discriminator(3, 2, channels=6)), "images of 6 channels, not of 3"),
        (pixels, "single pixels"),
        (state_of(Original(nn.Linear(2, 2))), "batch normalization"),
        ({**state_of(discriminator(3, 2)), "model.5.weight": torch.rand(9, 9, 4, 4)}, "layers.5.weight of shape"),
    ):
        with pytest.raises(ValueError, match=reason):
            original_discriminator(state)
    with pytest.raises(ValueError, match="no generator of residual blocks"):
        original_generator(state_of(discriminator(3, 2)))


def test_what_is_no_plain_state_is_no_file_of_the_original_code() -> None:
    weights = discriminator(1, 2).state_dict()
    others: list[object] = [{}, [], {"state_dict": weights}, {**weights, "head.weight": torch.rand(2)}]
    for content in [*others, {**weights, "model.e": 3}]:
        assert original_state(content) is None
