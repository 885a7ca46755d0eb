"""Reads bounding boxes from a table, and makes masks of them."""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    import pandas as pd

BETWEEN = re.compile(r"[\s,;]+")
# hand-drawn boxes may exceed the photo by a pixel or two
OVER_EDGE = 2


def read_boxes(columns: "Sequence[pd.Series[str]]", place: Callable[[int], str]) -> NDArray[np.float64]:
    """Return the left, top, width and height of each row's box in pixels, `(n, 4)`, NaN where there is none.

    Args:
        columns: four columns of numbers, or one of texts such as `10,20,64,48` or `[10, 20, 64, 48]`.
        place: says where a row is, for messages.

    Raises:
        ValueError: a cell is no number, a box has not four of them, or its sides are below one pixel.

    Example:
        >>> import pandas as pd
        >>> read_boxes([pd.Series(["1,2,3.5,4", ""])], str).tolist()
        [[1.0, 2.0, 3.5, 4.0], [nan, nan, nan, nan]]
    """
    boxes = np.full((len(columns[0]), 4), np.nan)
    for row, cells in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        texts = BETWEEN.split(cells[0].strip("[]() ")) if len(cells) == 1 else list(cells)
        if not any(texts):
            continue
        try:
            numbers = [float(text) for text in texts]
        except ValueError:
            numbers = []
        boxes[row] = numbers if len(numbers) == 4 else np.nan
        if not (np.isfinite(boxes[row]).all() and boxes[row, 2:].min() >= 1):
            raise ValueError(
                f"Expected a `box` to be left, top, width and height in pixels, got {', '.join(texts)} in {place(row)}."
            )
    return boxes


def box_object(box: NDArray[np.float64], size: tuple[int, int], name: str) -> Tensor:
    """Return a bounding box as a mask `(H, W)`, float32.

    Args:
        box: left, top, width and height in pixels.
        size: height and width of the photo.
        name: name of the photo, for errors.

    Raises:
        ValueError: the box lies outside the photo, as it does if photos were resized and boxes were not.

    Example:
        >>> box_object(np.array([2.0, 0.0, 2.0, 1.0]), (1, 4), "jay.jpg")
        tensor([[0., 0., 1., 1.]])
    """
    height, width = size
    left, top, across, down = map(float, box)
    if min(left, top) < -OVER_EDGE or left + across > width + OVER_EDGE or top + down > height + OVER_EDGE:
        raise ValueError(
            f"Expected the box of {name} inside its {width} x {height} pixels, got left {left:g}, top {top:g}, width "
            f"{across:g} and height {down:g}: was the photo resized?"
        )
    mask = torch.zeros(size)
    mask[max(0, round(top)) : round(top + down), max(0, round(left)) : round(left + across)] = 1.0
    return mask
