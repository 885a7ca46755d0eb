"""Puts images and maps into one picture; the layout of a matplotlib figure takes longer than an evaluation."""

import re
from collections.abc import Callable, Mapping

import matplotlib as mpl
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from skimage.segmentation import find_boundaries
from torch import Tensor

CELL = 128
LARGEST_CELL = 256
GAP = 4
FONT_SIZE = 13
HEADING_LINES = 2
BORDER_COLOUR = (1.0, 0.85, 0.0)


def map_grid(columns: Mapping[str, Tensor]) -> NDArray[np.uint8]:
    """Draw a row for each image and a column for each kind of picture, under its heading.

    Small pictures are enlarged to about 128 pixels without smoothing, and those over 256 pixels are reduced.

    Args:
        columns: by heading: photos (n, C, H, W) in [0, 1], shown as `as_photos` says, or maps (n, H, W) in [0, 1],
            which are shown in a perceptually uniform color map from 0 to 1. The first column determines the size of all
            cells.

    Returns:
        (H', W', 3) uint8.

    Raises:
        ValueError: there is no column, or columns have different numbers of pictures.

    Example:
        >>> map_grid({"image": torch.rand(2, 3, 32, 32), "map": torch.rand(2, 32, 32)}).shape
        (294, 260, 3)
    """
    counts = {heading: len(pictures) for heading, pictures in columns.items()}
    if not counts or len(set(counts.values())) > 1:
        raise ValueError(f"Expected columns of equally many pictures, got {counts}.")
    cells = {heading: [picture_of(each) for each in pictures] for heading, pictures in columns.items()}
    first = next(iter(cells.values()))
    height, width = _cell_size(*first[0].shape[:2]) if first else (0, 0)
    line = FONT_SIZE + 4
    top = HEADING_LINES * line
    rows = len(first)
    canvas = Image.new(
        "RGB", (len(cells) * (width + GAP) - GAP, top + rows * (height + GAP) - (GAP if rows else 0)), "white"
    )
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(FONT_SIZE)
    for column, (heading, pictures) in enumerate(cells.items()):
        left = column * (width + GAP)
        lines = _wrapped(heading, width, draw, font)
        for number, text in enumerate(lines):
            # short headings stand directly above their pictures
            draw.text((left, top - (len(lines) - number) * line), text, fill="black", font=font)
        for row, picture in enumerate(pictures):
            shown = Image.fromarray(picture)
            if picture.shape[:2] != (height, width):
                grows = picture.shape[0] <= height
                filter_ = Image.Resampling.NEAREST if grows else Image.Resampling.BOX
                shown = shown.resize((width, height), filter_)
            canvas.paste(shown, (left, top + row * (height + GAP)))
    return np.asarray(canvas)


def as_photos(images: Tensor) -> Tensor:
    """Return images of any number of channels as people see them: other than three channels as their mean, in gray.

    Args:
        images: (..., C, H, W).

    Returns:
        (..., 3, H, W); RGB as it is, and a gray channel repeated.

    Example:
        >>> as_photos(torch.tensor([0.25, 0.75]).view(2, 1, 1)).flatten()
        tensor([0.5000, 0.5000, 0.5000])
    """
    if images.shape[-3] == 3:
        return images
    return images.mean(-3, keepdim=True).expand(*images.shape[:-3], 3, *images.shape[-2:])


def picture_of(values: Tensor) -> NDArray[np.uint8]:
    """Turn one photo (C, H, W) or one map (H, W), in [0, 1], into a picture (H, W, 3); a NaN is shown as 0.

    A photo of other than three channels is shown as `as_photos` says.

    Example:
        >>> picture_of(torch.tensor([[0.0, 1.0]])).tolist()
        [[[0, 0, 4], [252, 255, 164]]]
    """
    numbers = values.detach().float().nan_to_num(0.0).clamp(0, 1)
    if numbers.ndim == 3:
        numbers = as_photos(numbers)
    levels = (numbers * 255).round().to(torch.uint8).cpu().numpy()
    if levels.ndim == 3:
        photo: NDArray[np.uint8] = levels.transpose(1, 2, 0).copy()
        return photo
    picture: NDArray[np.uint8] = _colors()[levels]
    return picture


def outline_segments(images: Tensor, segments: Tensor) -> Tensor:
    """Draw the borders of segments into photos; small photos are enlarged first, so that borders are thin lines.

    Args:
        images: (n, C, H, W) in [0, 1], shown as `as_photos` says.
        segments: (n, H, W) int64.

    Returns:
        (n, 3, h, w) on the CPU; `h` and `w` are `H` and `W` times a whole number.

    Example:
        >>> outline_segments(torch.zeros(1, 1, 2, 2), torch.tensor([[[0, 0], [1, 1]]])).shape
        torch.Size([1, 3, 128, 128])
    """
    height, width = images.shape[2:]
    factor = max(1, CELL // max(height, width))
    photos = as_photos(images.detach().cpu().float())
    large = photos.repeat_interleave(factor, 2).repeat_interleave(factor, 3).clone()
    ids = segments.cpu().repeat_interleave(factor, 1).repeat_interleave(factor, 2).numpy()
    borders: Callable[..., NDArray[np.bool_]] = find_boundaries
    color = torch.tensor(BORDER_COLOUR)[:, None]
    for photo, labels in zip(large, ids, strict=True):
        photo[:, torch.from_numpy(borders(labels, mode="inner"))] = color
    return large


def _cell_size(height: int, width: int) -> tuple[int, int]:
    longer = max(height, width)
    if longer > LARGEST_CELL:
        return max(1, round(height * LARGEST_CELL / longer)), max(1, round(width * LARGEST_CELL / longer))
    factor = max(1, CELL // longer)
    return height * factor, width * factor


def _colors() -> NDArray[np.uint8]:
    table: NDArray[np.uint8] = (mpl.colormaps["inferno"](np.arange(256))[:, :3] * 255).round().astype(np.uint8)
    return table


def _wrapped(
    heading: str, width: int, draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> list[str]:
    """Break a heading into lines that fit, and shorten the last one if text is left over."""
    lines = [""]
    for piece in re.findall(r"[^ /]*[ /]|[^ /]+", heading):  # a line may end after a space or a slash
        longer = lines[-1] + piece
        if draw.textlength(longer.rstrip(), font) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(piece)
    shown = lines[:HEADING_LINES]
    shown[-1] = "".join([shown[-1], *lines[HEADING_LINES:]])
    return [_shortened(line.rstrip(), width, draw, font) for line in shown]


def _shortened(
    text: str, width: int, draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> str:
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(f"{text}…", font) > width:
        text = text[:-1]
    return f"{text}…"
