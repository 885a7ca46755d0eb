"""Measures how much of an image's colors its segments keep, without any ground truth."""

import torch
from torch import Tensor

from lightning_spx.superpixels.segmenter import check_images, check_segments, is_one_map


def explained_variation(segments: Tensor, images: Tensor) -> Tensor:
    """Return the share of each image's variance that is between segments and not within them; high is good.

    It is R squared of the image in which every segment has its mean color: 1 if each segment has one color, 0 if all
    segments have the same mean. It rises with the number of segments, so compare partitions with equally many.
    Variances are those of all channels together, in the images' own values and not in a color space for eyes. The
    authors of arXiv 1903.07162 take sample variances in their program, which shifts it by about S / (H * W).

    Source: Moore, Prince, Warrell, Mohammed and Jones, Superpixel Lattices, CVPR 2008; as in Giraud, Ta and Papadakis,
    arXiv 1903.07162, and Stutz et al., Superpixels: an evaluation, CVIU 2018.

    Args:
        segments: `(N, H, W)` int64, ids `0..S-1` without gaps in each image; or `(H, W)` for one image.
        images: `(N, C, H, W)` floating point in [0, 1], with any number of channels; or `(C, H, W)` for one image.

    Returns:
        `(N,)` in [0, 1], `()` for one image; NaN if the image has one color, so that there is nothing to explain.

    Raises:
        TypeError: If `images` is not floating point.
        ValueError: If shapes or devices do not fit, `segments` breaks its contract, or a value is NaN or not in [0, 1].

    Example:
        >>> image = torch.tensor([[[[0.0, 0.2, 0.8, 1.0]]]])
        >>> explained_variation(torch.tensor([[[0, 0, 1, 1]], [[0, 1, 1, 1]]]), image.expand(2, 1, 1, 4))
        tensor([0.9412, 0.4902])
    """
    if is_one_map(segments) and isinstance(images, Tensor) and images.ndim == 3:
        return explained_variation(segments[None], images[None])[0]
    check_segments(segments)
    check_images(images, channels=None)
    if (len(images), *images.shape[2:]) != segments.shape:
        raise ValueError(
            "Expected `images` to have shape (N, C, H, W) with the (N, H, W) of `segments`, "
            f"{tuple(segments.shape)}, got {tuple(images.shape)}."
        )
    if images.device != segments.device:
        raise ValueError(
            f"Expected `segments` on the device of `images`, {images.device}, got {segments.device}: "
            "give segments.to(images.device)."
        )
    values = [_of_image(ids.flatten(), image.flatten(1)) for ids, image in zip(segments, images.detach(), strict=True)]
    return torch.stack(values).float() if values else torch.zeros(0, device=segments.device)


def _of_image(ids: Tensor, image: Tensor) -> Tensor:
    """Compare pixels (C, P) with the means of their segments (P,)."""
    colors = image.double()
    area = torch.bincount(ids)
    sums = torch.stack([torch.zeros(len(area)).to(colors).index_add_(0, ids, channel) for channel in colors])
    means = sums / area
    within = (colors - means[:, ids]).square().sum()
    between = (area * (means - sums.sum(1, keepdim=True) / len(ids)).square()).sum()
    # variances of a constant image are not zero but rounding errors
    one_color = (image == image[:, :1]).all()
    return torch.where(one_color, torch.nan, between / (between + within))
