"""Chooses on one half of the images what the other half measures, and corrects p-values over several claims."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lightning_spx.evaluation.statistics.bootstrap import Flags

# one-sided level: 2.5 % of the draws lie below the 95 % interval of a number
LEVEL = 0.025
LEAST_IMAGES = 8  # four in each half
# quantiles of fewer images are rough
FEW_IMAGES = 30


def choosing_half(images: NDArray[np.int64], seed: int) -> Flags | None:
    """Draw the half of the images on which rows are chosen; the other half measures them.

    Args:
        images: numbers of the images.
        seed: seeds the draw.

    Returns:
        Flags of the images in the choosing half; None if there are fewer than 8 images.

    Example:
        >>> flags = choosing_half(np.arange(9), seed=0)
        >>> int(flags.sum()), choosing_half(np.arange(7), seed=0)
        (4, None)
    """
    if len(images) < LEAST_IMAGES:
        return None
    half = np.random.default_rng(seed).permutation(images)[: len(images) // 2]
    return np.isin(images, half)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values so that a false claim among all of them is as rare as in a single test (Holm 1979).

    Example:
        >>> [round(value, 3) for value in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values)[order] * factors))
    return [float(value) for value in corrected]


def few_images(half: int) -> list[str]:
    """Warn of an answer that is measured on few images, or of none because there are too few.

    Args:
        half: number of images in the half that the answer is measured on; 0 if there are no halves.

    Example:
        >>> few_images(30), few_images(0)
        ([], ['Too few images: an answer needs 8.'])
    """
    if half >= FEW_IMAGES:
        return []
    if not half:
        return [f"Too few images: an answer needs {LEAST_IMAGES}."]
    return [
        f"The answer is measured on {half} images: with fewer than {FEW_IMAGES}, a few unusual images can change it."
    ]
