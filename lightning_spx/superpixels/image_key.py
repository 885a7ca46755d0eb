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


def image_key(image: Images) -> str:
    """Name a file for an image: the SHA-256 of its size and its pixels at 8 bits.

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
    pixels = eight_bit(batch)[0].cpu()
    return hashlib.sha256(f"{tuple(pixels.shape)}".encode() + pixels.numpy().tobytes()).hexdigest()


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
