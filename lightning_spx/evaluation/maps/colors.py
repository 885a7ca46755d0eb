"""What people see of images with any number of channels, and what segmenters get that need RGB."""

import operator
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from lightning_spx.models.builder import import_path
from lightning_spx.reporting.panels import as_photos
from lightning_spx.superpixels import ImagePooling

ToRgb = Sequence[int] | Callable[[Tensor], Tensor]


def chosen_colors(to_rgb: ToRgb | str | None) -> ToRgb | None:
    """Return `to_rgb` as commands take it, in which a function has its import path.

    Raises:
        ValueError: there is no such function.

    Example:
        >>> chosen_colors([2, 1, 0]), chosen_colors("torch.neg")(torch.ones(1)).item()
        ([2, 1, 0], -1.0)
    """
    return import_path(to_rgb) if isinstance(to_rgb, str) else to_rgb


def as_rgb(images: Tensor, to_rgb: ToRgb | None = None) -> Tensor:
    """Turn images of any number of channels into RGB; a gray channel is repeated.

    Args:
        images: (N, C, H, W) in [0, 1].
        to_rgb: the numbers of the bands for red, green and blue, counted from 0, or a callable that gets one image at a
            time, (1, C, H, W), and returns its colors, (1, 3, H, W) in [0, 1]. None leaves RGB as it is.

    Returns:
        (N, 3, H, W) in [0, 1].

    Raises:
        ValueError: a band does not exist, the callable returns something else than colors in [0, 1], or `to_rgb` is
            None for other than one or three channels.
        TypeError: the callable returns no floating point tensor.

    Example:
        >>> as_rgb(torch.linspace(0, 1, 5).view(1, 5, 1, 1), [4, 2, 0]).flatten()
        tensor([1.0000, 0.5000, 0.0000])
    """
    channels = images.shape[1]
    if to_rgb is None:
        if channels not in (1, 3):
            raise ValueError(f"Expected images of 1 or 3 channels, got {channels}: {_advice(channels)}.")
        return images.expand(-1, 3, -1, -1)
    if callable(to_rgb):
        # an image at a time, so that its colors do not depend on the batch
        colors = [_colors_of(image[None], to_rgb) for image in images]
        return torch.cat(colors) if colors else images.new_zeros(0, 3, *images.shape[2:])
    check_bands(to_rgb, channels)
    return images[:, list(to_rgb)]


def shown(images: Tensor, to_rgb: ToRgb | None = None) -> Tensor:
    """Return what pictures show of images: their colors, or without `to_rgb` the mean of other than three channels.

    Args:
        images: (N, C, H, W) in [0, 1].
        to_rgb: as for `as_rgb`.

    Returns:
        (N, 3, H, W) in [0, 1].

    Raises:
        ValueError: a band does not exist, or the callable returns something else than colors in [0, 1].
        TypeError: the callable returns no floating point tensor.

    Example:
        >>> shown(torch.tensor([0.25, 0.75]).view(1, 2, 1, 1)).flatten()
        tensor([0.5000, 0.5000, 0.5000])
    """
    return as_photos(images) if to_rgb is None else as_rgb(images, to_rgb)


def segmented_as(segmenter: ImagePooling, images: Tensor, to_rgb: ToRgb | None = None) -> Tensor:
    """Return images as a segmenter takes them: themselves if it takes that number of channels, and otherwise in RGB.

    A segmenter of three channels gets what `to_rgb` makes of images, even of those with three.

    Args:
        segmenter: or filter, which says the number of channels that it takes.
        images: (N, C, H, W) in [0, 1].
        to_rgb: as for `as_rgb`.

    Raises:
        ValueError: the segmenter takes no such images, or for the reasons of `as_rgb`.
        TypeError: as for `as_rgb`.

    Example:
        >>> from lightning_spx.superpixels import Slic, Watershed
        >>> images = torch.rand(2, 10, 8, 8)
        >>> segmented_as(Slic(), images).shape[1], segmented_as(Watershed(), images, [2, 1, 0]).shape[1]
        (10, 3)
    """
    check_channels({type(segmenter).__name__: segmenter}, images.shape[1], to_rgb)
    return as_rgb(images, to_rgb) if segmenter.channels == 3 else images


def check_channels(segmenters: Mapping[str, ImagePooling], channels: int, to_rgb: ToRgb | None = None) -> None:
    """Refuse images whose number of channels a segmenter does not take, before anything is computed.

    Args:
        segmenters: and filters, by name.
        channels: number of channels of the images.
        to_rgb: as for `as_rgb`; a callable is not called.

    Raises:
        ValueError: a segmenter takes no such images, or a band of `to_rgb` does not exist.

    Example:
        >>> from lightning_spx.superpixels import Slic, Watershed
        >>> check_channels({"Slic": Slic(), "Watershed": Watershed()}, channels=10, to_rgb=[2, 1, 0])
        >>> check_channels({"Slic": Slic(), "Watershed": Watershed()}, channels=10)
        Traceback (most recent call last):
        ...
        ValueError: Expected RGB images (N, 3, H, W) for Watershed, got 10 channels: set `to_rgb` to ...
    """
    if to_rgb is not None and not callable(to_rgb):
        check_bands(to_rgb, channels)
    for name, segmenter in segmenters.items():
        takes = segmenter.channels
        if takes == 3 and to_rgb is None and channels not in (1, 3):
            raise ValueError(
                f"Expected RGB images (N, 3, H, W) for {name}, got {channels} channels: {_advice(channels)}."
            )
        if takes not in (None, 3, channels):
            raise ValueError(f"Expected images (N, {takes}, H, W) for {name}, got {channels} channels.")


def check_bands(to_rgb: Sequence[int], channels: int) -> None:
    """Refuse anything but the numbers of three channels.

    Raises:
        ValueError: there are not three, or one is not a channel.

    Example:
        >>> check_bands([3, 2, 1], channels=3)
        Traceback (most recent call last):
        ...
        ValueError: Expected `to_rgb` to be three band numbers from 0 to 2, got [3, 2, 1].
    """
    bands = [operator.index(band) for band in to_rgb]
    if len(bands) != 3 or not all(0 <= band < channels for band in bands):
        raise ValueError(f"Expected `to_rgb` to be three band numbers from 0 to {channels - 1}, got {list(to_rgb)}.")


def _colors_of(image: Tensor, to_rgb: Callable[[Tensor], Tensor]) -> Tensor:
    colors = to_rgb(image)
    wanted = (1, 3, *image.shape[2:])
    if not isinstance(colors, Tensor) or not colors.is_floating_point():
        kind = colors.dtype if isinstance(colors, Tensor) else type(colors).__name__
        raise TypeError(f"Expected `to_rgb` to return colors in [0, 1] as a floating point tensor, got {kind}.")
    if colors.shape != wanted:
        raise ValueError(
            f"Expected `to_rgb` to return {wanted} for an image {tuple(image.shape)}, got {tuple(colors.shape)}."
        )
    low, high = (value.item() for value in colors.aminmax())
    if not (low >= 0 and high <= 1):  # false for a NaN
        raise ValueError(f"Expected `to_rgb` to return colors in [0, 1], got {low:.4g} to {high:.4g}: clamp them.")
    return colors.to(image.device)


def _advice(channels: int) -> str:
    example = "[0, 1, 1]" if channels == 2 else "[2, 1, 0]"
    return f"set `to_rgb` to three band numbers, such as {example}, or to a callable"
