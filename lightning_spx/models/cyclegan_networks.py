"""The networks of CycleGAN for images in [0, 1]: a residual generator and a patch discriminator."""

import torch
from torch import Tensor, nn

from lightning_spx.models.memory_format import in_training_format


class ResNetGenerator(nn.Module):
    """Translates images with strided convolutions, residual blocks and transposed convolutions, instance-normalized.

    With 9 blocks and 64 channels it is the published generator of 11.378 M parameters for 256 px, with 6 blocks the one
    for 128 px (Zhu et al., ICCV 2017, appendix 7.2; Johnson et al., ECCV 2016). Weights start at N(0, 0.02).

    Args:
        num_blocks: number of residual blocks, 1 or more.
        channels: number of channels of the first layer, 1 or more.

    Raises:
        ValueError: if a number is out of its range.

    Example:
        >>> import torch
        >>> generator = ResNetGenerator(num_blocks=2, channels=4)
        >>> images = generator(torch.rand(1, 3, 32, 32))
        >>> images.shape, bool((images >= 0).all() and (images <= 1).all())
        (torch.Size([1, 3, 32, 32]), True)
    """

    def __init__(self, num_blocks: int = 9, channels: int = 64) -> None:
        super().__init__()
        _check(num_blocks=num_blocks, channels=channels)
        wide = 4 * channels
        self.layers = nn.Sequential(
            ReflectionPad(3),
            *_normalized(nn.Conv2d(3, channels, 7)),
            *_normalized(nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1)),
            *_normalized(nn.Conv2d(2 * channels, wide, 3, stride=2, padding=1)),
            *(ResidualBlock(wide) for _ in range(num_blocks)),
            *_normalized(nn.ConvTranspose2d(wide, 2 * channels, 3, stride=2, padding=1, output_padding=1)),
            *_normalized(nn.ConvTranspose2d(2 * channels, channels, 3, stride=2, padding=1, output_padding=1)),
            ReflectionPad(3),
            nn.Conv2d(channels, 3, 7),
            nn.Tanh(),
        )
        initialize(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return translated images `(N, 3, H, W)` in [0, 1], H and W divisible by 4.

        Raises:
            ValueError: if a side is not divisible by 4, because the translation would then have another size.
        """
        if images.shape[-1] % 4 or images.shape[-2] % 4:
            raise ValueError(
                f"Expected images with sides divisible by 4, got {images.shape[-2]} x {images.shape[-1]} pixels."
            )
        translated: Tensor = self.layers(2 * in_training_format(images, self) - 1)
        return (translated + 1) / 2


class ReflectionPad(nn.ReflectionPad2d):
    """Reflects features at their borders, even if algorithms must be deterministic.

    Example:
        >>> import torch
        >>> ReflectionPad(1)(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))[0, 0, 0]
        tensor([4., 3., 4., 3.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return features `(N, C, H, W)` with a border on each side."""
        if input.device.type == "cpu" or not torch.are_deterministic_algorithms_enabled():
            return super().forward(input)
        # torch's version has no deterministic gradient on a GPU
        return reflected(input, self.padding[0])


def reflected(features: Tensor, width: int) -> Tensor:
    """Reflect features at their borders with copies, whose gradients are summed in a fixed order.

    Args:
        features: `(N, C, H, W)`.
        width: width of the border, less than the sides.

    Returns:
        `(N, C, H + 2 width, W + 2 width)`.

    Example:
        >>> reflected(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), 1)[0, 0, 0]
        tensor([4., 3., 4., 3.])
    """
    for dim in (2, 3):
        before = features.narrow(dim, 1, width).flip(dim)
        after = features.narrow(dim, features.shape[dim] - 1 - width, width).flip(dim)
        features = torch.cat([before, features, after], dim)
    return features


class ResidualBlock(nn.Module):
    """Adds two instance-normalized 3 x 3 convolutions of the features to the features.

    Args:
        channels: number of channels of the features.

    Example:
        >>> import torch
        >>> ResidualBlock(4)(torch.rand(1, 4, 8, 8)).shape
        torch.Size([1, 4, 8, 8])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            ReflectionPad(1),
            *_normalized(nn.Conv2d(channels, channels, 3)),
            ReflectionPad(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape, `(N, C, H, W)`."""
        changed: Tensor = self.layers(features)
        return features + changed


class PatchDiscriminator(nn.Module):
    """Scores overlapping patches of an image, without a sigmoid: near 1 for real images, near 0 for translated ones.

    With 3 strided layers and 64 channels it is the published 70 x 70 PatchGAN of 2.765 M parameters (Isola et al.,
    CVPR 2017). Weights start at N(0, 0.02).

    Args:
        num_layers: number of strided convolutions, 1 or more; each doubles the patch.
        channels: number of channels of the first layer, 1 or more.

    Raises:
        ValueError: if a number is out of its range.

    Example:
        >>> import torch
        >>> PatchDiscriminator(channels=4)(torch.rand(1, 3, 256, 256)).shape
        torch.Size([1, 1, 30, 30])
    """

    def __init__(self, num_layers: int = 3, channels: int = 64) -> None:
        super().__init__()
        _check(num_layers=num_layers, channels=channels)
        layers: list[nn.Module] = [nn.Conv2d(3, channels, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        width = channels
        for number in range(1, num_layers + 1):
            wider = channels * min(2**number, 8)
            stride = 2 if number < num_layers else 1
            layers += [nn.Conv2d(width, wider, 4, stride=stride, padding=1), nn.InstanceNorm2d(wider)]
            layers += [nn.LeakyReLU(0.2)]
            width = wider
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, 1, 4, padding=1))
        self.num_layers = num_layers
        initialize(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return patch scores `(N, 1, h, w)` for images `(N, 3, H, W)` in [0, 1].

        Raises:
            ValueError: if the images are too small for a patch.
        """
        smallest = 3 * 2**self.num_layers
        if min(images.shape[-2:]) < smallest:
            raise ValueError(
                f"Expected images of at least {smallest} pixels for {self.num_layers} strided layers, "
                f"got {images.shape[-2]} x {images.shape[-1]}."
            )
        scores: Tensor = self.layers(2 * in_training_format(images, self) - 1)
        return scores


def initialize(network: nn.Module) -> None:
    """Draw all convolution weights from N(0, 0.02) and set biases to zero, as published."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _normalized(convolution: nn.Conv2d | nn.ConvTranspose2d) -> tuple[nn.Module, ...]:
    # not in place, because attribution methods read a layer's output
    return convolution, nn.InstanceNorm2d(convolution.out_channels), nn.ReLU()


def _check(**counts: int) -> None:
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"Expected `{name}` to be at least 1, got {value}.")
