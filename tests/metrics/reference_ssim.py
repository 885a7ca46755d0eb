"""SSIM of two arrays by scikit-image, with the settings that the metrics promise to equal."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from skimage import metrics

# scikit-image states no types for it.
structural_similarity: Callable[..., float] = metrics.structural_similarity


def reference_ssim(
    first: NDArray[np.float64], second: NDArray[np.float64], data_range: float = 1.0, channel_axis: int | None = None
) -> float:
    value = structural_similarity(
        first,
        second,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=data_range,
        channel_axis=channel_axis,
    )
    return float(value)
