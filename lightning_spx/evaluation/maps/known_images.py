"""Photos or drawn images of a data set, between which models that a user names are compared."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from lightning_spx.data import ImageDataModule
from lightning_spx.data.photos import find_images, read_images
from lightning_spx.evaluation.maps.sampled_images import draw_images


@dataclass(frozen=True)
class KnownImages:
    """The images that are explained.

    Args:
        name: of the data set, in tables.
        images: (N, 3, H, W) in [0, 1].
        index: (N,) numbers in the data set.
        label: (N,), or None for photos without labels.
        num_classes: of the labels; 0 without.
        fingerprint: differs when the images do.
        mask: (N, H, W) bool of the object, or None.
        source: as of `DrawnImages`.
    """

    name: str
    images: Tensor
    index: Tensor
    label: Tensor | None
    num_classes: int
    fingerprint: str
    mask: Tensor | None = None
    source: str = ""


def images_of(
    data: ImageDataModule, photos: Sequence[str] | None, image_size: int, num_images: int, seed: int
) -> KnownImages:
    """Read photos if there are any, else draw from the data.

    Raises:
        FileNotFoundError: a photo is not there.
        ValueError: there are fewer images than `num_images`, or fewer than two.
    """
    if photos:
        paths = find_images(photos)
        if len(paths) < num_images:
            raise ValueError(f"Expected `num_images` to be at most {len(paths)}, the photos found, got {num_images}.")
        # spread over the list, which is often sorted by class
        chosen = [paths[number * len(paths) // num_images] for number in range(num_images)]
        found = read_images(chosen, image_size)
        digest = hashlib.sha256(found.images.numpy().tobytes()).hexdigest()
        name = found.paths[0].parent.name
        return KnownImages(name, found.images, torch.arange(len(found.images)), None, 0, digest)
    drawn = draw_images(data, num_images, seed)
    found_images, mask = drawn.read(range(len(drawn)))
    return KnownImages(
        name=data.name,
        images=found_images,
        index=drawn.index,
        label=drawn.label,
        num_classes=data.num_classes,
        fingerprint=data.fingerprint(),
        mask=mask,
        source=drawn.source,
    )


def weights_hash(models: Mapping[str, nn.Module]) -> dict[str, str]:
    """Return a SHA-256 of each model's state: other weights under the same name are another study."""
    hashes = {}
    for name, model in models.items():
        digest = hashlib.sha256()
        for key, value in model.state_dict().items():
            digest.update(key.encode())
            if isinstance(value, Tensor):
                digest.update(np.ascontiguousarray(value.detach().cpu().float().numpy()).tobytes())
        hashes[name] = digest.hexdigest()
    return hashes
