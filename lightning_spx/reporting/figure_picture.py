"""Draws a figure of matplotlib into a picture for a dashboard."""

from io import BytesIO

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

DPI = 150
LONGEST_SIDE = 2400


def figure_picture(figure: Figure) -> NDArray[np.uint8]:
    """Draw a figure with 150 pixels per inch, or fewer if its longer side had more than 2400 pixels.

    Returns:
        (H, W, 3).

    Example:
        >>> figure_picture(Figure((4, 2))).shape, figure_picture(Figure((40, 2))).shape
        ((300, 600, 3), (120, 2400, 3))
    """
    dpi = min(DPI, LONGEST_SIDE / max(figure.get_size_inches()))
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return np.asarray(Image.open(buffer).convert("RGB"))
