"""Names a file after an image, and writes a file whole or not at all."""

import hashlib
import os
import uuid
from pathlib import Path

import torch
from torch import Tensor

from lightning_spx.superpixels.image_forms import Images, as_batch
from lightning_spx.superpixels.segmenter import check_images


def eight_bit(images: Tensor) -> Tensor:
    """Round images in [0, 1] to the 256 levels of an image file.

    Args:
        images: `(N, C, H, W)` in [0, 1].

    Returns:
        `(N, C, H, W)` uint8 on the images' device.

    Raises:
        TypeError: If `images` is not floating point.
        ValueError: If `images` do not have that shape or leave [0, 1].

    Example:
        >>> eight_bit(torch.tensor([0.0, 0.1, 1.0]).view(1, 3, 1, 1)).flatten()
        tensor([  0,  26, 255], dtype=torch.uint8)
    """
    check_images(images, channels=None)
    return (images.detach().float().clamp(0, 1) * 255).round().to(torch.uint8)


def has_more_levels(images: Tensor) -> Tensor:
    """Return for each image whether it has other levels than the 256 of an image file.

    Values within a thousandth of a level, by which floats of 8 bits may be off, or within what the type rounds away,
    are 8 bits; neighboring levels of 16 bits are four times as far from each other.

    Args:
        images: `(N, C, H, W)` in [0, 1].

    Returns:
        `(N,)` bool on the images' device.

    Example:
        >>> has_more_levels(torch.tensor([0.2, 0.201]).view(2, 1, 1, 1)).tolist()
        [False, True]
    """
    off = max(1e-3, 2 * 255 * torch.finfo(images.dtype).eps)
    levels = images.detach().float().clamp(0, 1) * 255
    return ((levels - levels.round()).abs() > off).flatten(1).any(1)


def as_segmented(images: Tensor) -> Tensor:
    """Return the images that a name stands for: those of 8 bits rounded to their levels, and others unchanged.

    Args:
        images: `(N, C, H, W)` in [0, 1].

    Returns:
        `(N, C, H, W)` float32.
    """
    rounded = eight_bit(images).float() / 255
    more = has_more_levels(images)
    return torch.where(more[:, None, None, None], images.detach().float(), rounded) if bool(more.any()) else rounded


def image_key(image: Images) -> str:
    """Name a file for an image: the SHA-256 of its size and its pixels, at 8 bits if it has no more levels.

    The name identifies the image as a segmenter sees it, that is, after resizing and cropping.

    Args:
        image: `(C, H, W)` in [0, 1], or one image in another form that segmenters take.

    Returns:
        64 hexadecimal digits.

    Raises:
        TypeError: If `image` is neither floating point nor uint8.
        ValueError: If `image` does not have that shape or leaves [0, 1].

    Example:
        >>> image_key(torch.zeros(3, 2, 2))[:8]
        '3ee32b62'
    """
    batch, is_one = as_batch(image, channels=None)
    if not is_one:
        raise ValueError(f"Expected one `image`, got a batch of shape {tuple(batch.shape)}.")
    check_images(batch, channels=None)
    more = bool(has_more_levels(batch)[0])
    pixels = batch[0].detach().float().cpu().contiguous() if more else eight_bit(batch)[0].cpu()
    # two images that differ in their lower bits alone have other segments
    size = f"{tuple(pixels.shape)}{' float32' if more else ''}"
    return hashlib.sha256(size.encode() + pixels.numpy().tobytes()).hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that readers see whole or not at all, even while others write the same file.

    Raises:
        OSError: The file could not be written; the error names it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "new" / "file"
        ...     write_whole(path, b"content")
        ...     path.read_bytes()
        b'content'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        # the error of a full disk names no file, and the temporary file's name would not help
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)
