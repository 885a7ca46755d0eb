"""Finds and reads the image files that a user names on the command line, as images of one size."""

import glob
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lightning_spx.data.folder_images import read_image
from lightning_spx.data.found_images import contents, is_image, others_in, stem_of, warn_of_others
from lightning_spx.data.resize import in_unit_range
from lightning_spx.formats import Percentiles, Window
from lightning_spx.formats.stored_image import UnstatedRangeError


@dataclass(frozen=True)
class InputImages:
    """Images with a name for the output files of each.

    Args:
        names: unique names, made from the files' stems.
        paths: (N,) files.
        images: (N, C, S, S) in [0, 1].
    """

    names: list[str]
    paths: list[Path]
    images: Tensor


def find_images(places: Sequence[str | Path], channels: int = 3) -> list[Path]:
    """List image files: given files, the images directly in a folder, and the matches of a pattern (`birds/*.jpg`).

    Args:
        places: files, folders and patterns.
        channels: number of channels: 1 and 3 look for photos, other numbers for arrays (`.npy`) and TIFF files.

    Raises:
        FileNotFoundError: a file does not exist, or a folder or pattern has no image.

    Example:
        >>> find_images(["nowhere.png"])
        Traceback (most recent call last):
        ...
        FileNotFoundError: Expected `images` to name files, folders or patterns, found nothing at nowhere.png.
    """
    found: list[Path] = []
    others: list[Path] = []
    for place in places:
        path = Path(place)
        if path.is_file():
            matches = [path]
        elif path.is_dir():
            matches = sorted(child for child in path.iterdir() if child.is_file() and is_image(child, channels))
            others += others_in(path, matches)
        else:
            there = sorted(match for match in map(Path, glob.glob(str(place), recursive=True)) if match.is_file())
            known = {match: is_image(match, channels) for match in there}
            matches = [match for match in there if known[match]]
            others += [match for match in there if not known[match]]
        if not matches:
            reason = "a folder without images" if path.is_dir() else "nothing"
            there_is = f", it holds {contents(path)}" if path.is_dir() else ""
            raise FileNotFoundError(
                f"Expected `images` to name files, folders or patterns, found {reason} at {place}{there_is}."
            )
        found += matches
    warn_of_others(dict.fromkeys(others))
    return list(dict.fromkeys(found))


def check_there(places: Sequence[str | Path]) -> None:
    """Refuse a place where there is nothing at all, before it is known what kind of images is looked for.

    Raises:
        FileNotFoundError: a file or folder does not exist, or a pattern matches nothing.

    Example:
        >>> check_there(["."])
    """
    for place in places:
        if not Path(place).exists() and not glob.glob(str(place), recursive=True):
            find_images([place])


def read_images(
    paths: Sequence[Path],
    image_size: int,
    strict: bool = False,
    channels: int = 3,
    window: Window | Percentiles | None = None,
) -> InputImages:
    """Read images, each resized by its shorter side and cropped to the central square.

    Args:
        paths: image files.
        image_size: side of the images in pixels.
        strict: fail on a file that cannot be read; otherwise skip it, with one warning for all.
        channels: 3 reads photos in RGB and 1 in gray; other numbers read NumPy arrays, (H, W, C) or (C, H, W), and TIFF
            files with that number of bands. A file with other bands cannot be read.
        window: the numbers of a file that become black and white, or percentiles over each file, as for `read_photo`.

    Raises:
        TypeError: the percentiles of `window` are over training images.
        ValueError: a file cannot be read and `strict` is set, no file can be read, or a number is below 1.
    """
    for name, value in (("image_size", image_size), ("channels", channels)):
        if value < 1:
            raise ValueError(f"Expected `{name}` to be at least 1, got {value}.")
    images, kept, refused = [], [], []
    for path in paths:
        try:
            images.append(in_unit_range(read_image(path, image_size, channels, window)))
            kept.append(path)
        except UnstatedRangeError:
            raise
        except ValueError as error:
            if strict:
                raise
            refused.append(error)
    if not kept:
        raise refused[0] if refused else ValueError("Expected `images` to name at least one file, got none.")
    if refused:
        warnings.warn(f"Left out {len(refused)} of {len(paths)} images. {refused[0]}", stacklevel=2)
    return InputImages(_unique([stem_of(path) for path in kept]), kept, torch.stack(images))


def _unique(stems: Sequence[str]) -> list[str]:
    names: list[str] = []
    for stem in stems:
        name, number = stem, 1
        while name in names:
            number += 1
            name = f"{stem}-{number}"
        names.append(name)
    return names
