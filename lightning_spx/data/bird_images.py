"""Photos of birds with their masks, resized and cropped alike, with the background kept or replaced."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.data.bird_files import BirdPhoto, Box
from lightning_spx.data.folder_images import read_pixels
from lightning_spx.data.labelled_images import LabelledImages, Sample
from lightning_spx.data.mask_levels import mask_levels
from lightning_spx.data.resize import in_unit_range, resize_and_crop
from lightning_spx.data.splits import Indices

Background = Literal["keep", "black", "mean"]
Masks = Literal["none", "files", "files_or_boxes"]


def replace_background(image: Tensor, mask: Tensor, colour: Tensor) -> Tensor:
    """Return an image `(..., 3, H, W)` that has a color `(3,)` where the mask `(..., H, W)` is False.

    Example:
        >>> replace_background(torch.ones(3, 1, 2), torch.tensor([[True, False]]), torch.zeros(3))[0]
        tensor([[1., 0.]])
    """
    return torch.where(mask.unsqueeze(-3), image, colour[:, None, None].to(image))


def mask_file(root: Path, name: str) -> Path:
    """Return the path of a photo's mask, `segmentations/<class>/<name>.png`."""
    return (root / "segmentations" / name).with_suffix(".png")


def read_mask(path: Path, size: tuple[int, int]) -> Tensor:
    """Return a mask file as fractions of annotators `(H, W)` in [0, 1], float32.

    Photos are rotated as their EXIF data says, and masks as their own EXIF data says. A mask without EXIF data belongs
    to the photo as viewers show it.

    Args:
        path: an image file, 255 on the object and 0 elsewhere.
        size: height and width of the photo, upright.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it cannot be read, has another size than its photo, or its values do not clearly mark the object,
            see `mask_levels`.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("L", (3, 2), 255).save(Path(folder, "mask.png"))
        ...     read_mask(Path(folder, "mask.png"), (2, 3)).tolist()
        [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected a mask at {path}, found none.")
    mask = mask_levels(path)
    if mask.shape != size:
        raise ValueError(
            f"Expected the mask {path} to have the size of its photo, {size[1]} x {size[0]}, "
            f"got {mask.shape[1]} x {mask.shape[0]}."
        )
    return torch.from_numpy(mask).float() / 255


def box_mask(box: Box, relative: bool, size: tuple[int, int], name: str) -> Tensor:
    """Return a bounding box as a mask `(H, W)`, float32.

    Args:
        box: left, top, width and height.
        relative: whether the box is in fractions of the photo, otherwise in pixels.
        size: height and width of the photo.
        name: name of the photo, for errors.

    Raises:
        ValueError: a box in pixels lies outside the photo, which happens if photos were resized and boxes were not.

    Example:
        >>> box_mask((0.5, 0.0, 0.5, 1.0), True, (1, 4), "jay.jpg")
        tensor([[0., 0., 1., 1.]])
    """
    height, width = size
    left, top, across, down = box
    if relative:
        left, top, across, down = left * width, top * height, across * width, down * height
    # hand-drawn boxes may exceed the photo by a pixel or two
    elif left + across > width + 2 or top + down > height + 2:
        raise ValueError(
            f"Expected the bounding box of {name} inside its {width} x {height} pixels, got {list(box)}: photos that "
            "were resized need `image_sizes.txt` (number, original width and height, present width and height)."
        )
    mask = torch.zeros(size)
    mask[max(0, round(top)) : round(top + down), max(0, round(left)) : round(left + across)] = 1.0
    return mask


class BirdImages(LabelledImages):
    """Photos and masks without augmentation, from memory or from their files.

    Args:
        photos: the listed photos.
        labels: class of each photo, `(n,)` integers.
        root: folder of the data set.
        image_size: side in pixels; photo and mask are resized by the shorter side and cropped to the central square.
        masks: the source of masks: none, the files in `segmentations`, or bounding boxes for photos without a file.
        background: what replaces everything outside the mask.
    """

    def __init__(
        self,
        photos: Sequence[BirdPhoto],
        labels: Indices,
        root: Path,
        image_size: int,
        masks: Masks,
        background: Background,
    ) -> None:
        super().__init__(labels)
        self.photos = list(photos)
        self.root = root
        self.image_size = image_size
        self.masks = masks
        self.background = background
        self.color = torch.zeros(3)
        self.kept: list[tuple[NDArray[np.uint8 | np.float32], NDArray[np.bool_] | None]] = []

    def read(self, index: int) -> tuple[Tensor, Tensor | None]:
        """Return photo and mask at a position, with the original background.

        Raises:
            ValueError: a file cannot be read, or mask and photo have different sizes.
            FileNotFoundError: the mask does not exist.
        """
        if self.kept:
            pixels, known = self.kept[index]
            return in_unit_range(torch.from_numpy(pixels)), None if known is None else torch.from_numpy(known)
        image, mask = self.fit(index, self.pixels(index))
        return in_unit_range(image), mask

    def finish(self, sample: Sample) -> Sample:
        """Replace the background after all geometric changes, so that it ends where the mask does."""
        if self.background == "keep":
            return sample
        return {**sample, "image": replace_background(sample["image"], sample["mask"], self.color)}

    def pixels(self, index: int) -> Tensor:
        """Read a photo in its original size, `(3, H, W)`, uint8 or, of more bits, float32 in [0, 1]."""
        return read_pixels(self.root / "images" / self.photos[index].name)

    def fit(self, index: int, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Resize and crop a photo and its mask to `(3, S, S)`, of the photo's type, and `(S, S)` bool."""
        photo = self.photos[index]
        image = resize_and_crop(pixels, self.image_size)
        if self.masks == "none":
            return image, None
        size = (int(pixels.shape[1]), int(pixels.shape[2]))
        file = mask_file(self.root, photo.name)
        if self.masks == "files_or_boxes" and photo.box is not None and not file.is_file():
            mask = box_mask(photo.box, photo.relative, size, photo.name)
        else:
            mask = read_mask(file, size)
        return image, resize_and_crop(mask[None], self.image_size)[0] >= 0.5
