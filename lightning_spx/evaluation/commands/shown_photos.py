"""The photos of `spx explain`: as they are, with their background replaced, or translated by a CycleGAN."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from lightning_spx.data import Background, read_mask, replace_background
from lightning_spx.data.folder_images import read_pixels
from lightning_spx.data.found_images import EXTENSIONS
from lightning_spx.data.mask_survey import MaskSurvey
from lightning_spx.data.photos import InputImages, find_images, read_images
from lightning_spx.data.resize import resize_and_crop
from lightning_spx.models import CycleGAN, Part


@dataclass(frozen=True)
class ShownPhotos:
    """What models are shown, and what is said of it.

    Args:
        photos: after background or translation.
        mask: (N, S, S) bool of the object, or None.
        origin: of each photo, `real` or `translated`; empty where nothing is translated.
        said: of the background, for titles; empty without masks.
    """

    photos: InputImages
    mask: Tensor | None
    origin: list[str]
    said: str


def with_background(photos: InputImages, masks: str | None, background: Background, paint_outside: bool) -> ShownPhotos:
    """Read the photos' masks and replace what lies outside of them.

    Args:
        photos: as they were read.
        masks: folder that mirrors that of the photos: the mask of `birds/jay/1.jpg` is `<masks>/jay/1.png` or
            `<masks>/1.png`, or another image of that name; None for no masks.
        background: what models are shown outside of the masks; `mean` is the mean colour of these photos.
        paint_outside: whether maps are painted black outside of the masks.

    Raises:
        ValueError: a setting needs masks and there are none, a mask has another size than its photo, or a photo has
            several masks and none of them is PNG.
        FileNotFoundError: a mask is not there.
    """
    if masks is None:
        if background != "keep" or paint_outside:
            asked = f"`background` {background}" if background != "keep" else "`paint_outside`"
            raise ValueError(f"Expected `masks` for {asked}, got none.")
        return ShownPhotos(photos, None, [], "")
    side = photos.images.shape[-1]
    found = []
    survey = MaskSurvey()
    for path in photos.paths:
        height, width = read_pixels(path).shape[1:]
        mask = read_mask(_mask_file(path, Path(masks)), (int(height), int(width)))
        found.append(resize_and_crop(mask[None], side)[0] >= 0.5)
        survey.add(path.name, found[-1])
    survey.warn()
    mask = torch.stack(found)
    if background != "keep":
        colour = photos.images.mean((0, 2, 3)) if background == "mean" else torch.zeros(3)
        photos = replace(photos, images=replace_background(photos.images, mask, colour))
    backgrounds = {"keep": "whole photos", "black": "a black background", "mean": "a background of the mean colour"}
    drawn = "maps painted black outside of the mask" if paint_outside else "maps as they are"
    return ShownPhotos(photos, mask, [], f"the model sees {backgrounds[background]}; {drawn}")


def _mask_file(photo: Path, masks: Path) -> Path:
    """The file of a photo's mask: PNG where there is one, or another image of that name."""
    for folder in (masks / photo.parent.name, masks):
        endings = [".png", *sorted(EXTENSIONS - {".png"})]
        named = [folder / f"{photo.stem}{each}" for ending in endings for each in (ending, ending.upper())]
        # masks may lie beside the photos; a photo is no mask of itself
        found = [path for path in named if path.is_file() and not path.samefile(photo)]
        if len(found) > 1 and found[0].suffix != ".png":
            raise ValueError(f"Expected one mask of {photo}, got {' and '.join(map(str, found))}.")
        if found:
            return found[0]
    return masks / f"{photo.stem}.png"


@torch.no_grad()
def with_translations(
    photos: InputImages,
    translated_from: Sequence[str] | None,
    model: CycleGAN | None,
    part: Part,
    image_size: int,
    strict: bool,
) -> ShownPhotos:
    """Put translated photos of the other set after the real ones of a discriminator's own set.

    Args:
        photos: real ones.
        translated_from: files, folders and patterns of the other set; None for none.
        model: translates them; None where there is none.
        part: the discriminator that is explained.
        image_size: side of the images in pixels.
        strict: refuse a file that cannot be read.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: a file cannot be read, or no model is known that translates.
    """
    origin = ["real"] * len(photos.images)
    if not translated_from:
        return ShownPhotos(photos, None, origin, "")
    if model is None:
        raise ValueError("Expected `ckpt` of a whole CycleGAN for `translated_from`, got a discriminator alone.")
    other = read_images(find_images(translated_from), image_size, strict)
    translated = torch.cat(
        [model.translate(image[None], to="a" if part == "discriminator_a" else "b") for image in other.images]
    )
    joined = InputImages(
        [*photos.names, *(f"{name}_translated" for name in other.names)],
        [*photos.paths, *other.paths],
        torch.cat([photos.images, translated]),
    )
    return ShownPhotos(joined, None, [*origin, *["translated"] * len(other.images)], "")
