"""Prepares the photos of `spx explain`: unchanged, with another background, or translated by a CycleGAN."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from lightning_spx.data import Background, read_mask, replace_background
from lightning_spx.data.folder_images import read_pixels
from lightning_spx.data.found_images import EXTENSIONS, stem_of
from lightning_spx.data.mask_survey import MaskSurvey
from lightning_spx.data.photos import InputImages, find_images, read_images
from lightning_spx.data.resize import resize_and_crop
from lightning_spx.formats import Percentiles, Window
from lightning_spx.models import CycleGAN, Part


@dataclass(frozen=True)
class ShownPhotos:
    """The photos that the models see, and what the titles say about them.

    Args:
        photos: the photos with their background replaced, or followed by translated ones.
        mask: (N, S, S) bool, true on the object; None without masks.
        origin: `real` or `translated` for each photo; empty if nothing is translated.
        said: words about the background for titles; empty without masks.
    """

    photos: InputImages
    mask: Tensor | None
    origin: list[str]
    said: str


def with_background(
    photos: InputImages,
    masks: str | None,
    background: Background,
    paint_outside: bool,
    window: Window | Percentiles | None = None,
) -> ShownPhotos:
    """Read the photos' masks and replace the background outside them.

    Args:
        photos: the photos as read.
        masks: folder with the same layout as the photos' folder: the mask of `birds/jay/1.jpg` is `<masks>/jay/1.png`
            or `<masks>/1.png`, or an image of that name in another format; None for no masks.
        background: what the models see outside the masks; `mean` is the mean color of these photos.
        paint_outside: whether maps are painted black outside the masks.
        window: that with which the photos were read.

    Raises:
        ValueError: a setting needs masks and there are none, a mask differs in size from its photo, or a photo has
            several masks of which none is a PNG file.
        FileNotFoundError: a mask does not exist.
    """
    if masks is None:
        if background != "keep" or paint_outside:
            asked = f"`background` {background}" if background != "keep" else "`paint_outside`"
            raise ValueError(f"Expected `masks` for {asked}, got none.")
        return ShownPhotos(photos, None, [], "")
    channels, side = photos.images.shape[1], photos.images.shape[-1]
    found = []
    survey = MaskSurvey()
    for path in photos.paths:
        height, width = read_pixels(path, channels, window).shape[1:]
        mask = read_mask(_mask_file(path, Path(masks)), (int(height), int(width)))
        found.append(resize_and_crop(mask[None], side)[0] >= 0.5)
        survey.add(path.name, found[-1])
    survey.warn()
    mask = torch.stack(found)
    if background != "keep":
        color = photos.images.mean((0, 2, 3)) if background == "mean" else torch.zeros(channels)
        photos = replace(photos, images=replace_background(photos.images, mask, color))
    backgrounds = {"keep": "whole photos", "black": "a black background", "mean": "a background of the mean color"}
    drawn = "maps painted black outside of the mask" if paint_outside else "maps as they are"
    return ShownPhotos(photos, mask, [], f"the model sees {backgrounds[background]}; {drawn}")


def _mask_file(photo: Path, masks: Path) -> Path:
    """Find the mask of a photo: a PNG file if there is one, else an image of that name in another format."""
    for folder in (masks / photo.parent.name, masks):
        endings = [".png", *sorted(EXTENSIONS - {".png"})]
        named = [folder / f"{stem_of(photo)}{each}" for ending in endings for each in (ending, ending.upper())]
        # masks may lie beside the photos; the photo itself is no mask
        found = [path for path in named if path.is_file() and not path.samefile(photo)]
        if len(found) > 1 and found[0].suffix != ".png":
            raise ValueError(f"Expected one mask of {photo}, got {' and '.join(map(str, found))}.")
        if found:
            return found[0]
    return masks / f"{stem_of(photo)}.png"


@torch.no_grad()
def with_translations(
    photos: InputImages,
    translated_from: Sequence[str] | None,
    model: CycleGAN | None,
    part: Part,
    image_size: int,
    strict: bool,
    window: Window | Percentiles | None = None,
) -> ShownPhotos:
    """Append translated photos of the other set to the real photos of a discriminator's own set.

    Args:
        photos: the real photos.
        translated_from: files, folders and patterns of the other set; None for none.
        model: the CycleGAN that translates; None if only a discriminator is known.
        part: the discriminator that is explained.
        image_size: side of the images in pixels.
        strict: fail on a file that cannot be read; otherwise it is skipped with a warning.
        window: the numbers of the files that become black and white, as for `read_images`.

    Raises:
        FileNotFoundError: a file does not exist.
        ValueError: a file cannot be read, or `translated_from` is given without a model.
    """
    origin = ["real"] * len(photos.images)
    if not translated_from:
        return ShownPhotos(photos, None, origin, "")
    if model is None:
        raise ValueError("Expected `ckpt` of a whole CycleGAN for `translated_from`, got a discriminator alone.")
    other = read_images(find_images(translated_from), image_size, strict, window=window)
    translated = torch.cat(
        [model.translate(image[None], to="a" if part == "discriminator_a" else "b") for image in other.images]
    )
    joined = InputImages(
        [*photos.names, *(f"{name}_translated" for name in other.names)],
        [*photos.paths, *other.paths],
        torch.cat([photos.images, translated]),
    )
    return ShownPhotos(joined, None, [*origin, *["translated"] * len(other.images)], "")
