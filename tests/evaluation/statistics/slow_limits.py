"""The expanded percentile interval over images, by definition, for tests of whatever has one."""

from collections.abc import Sequence

import numpy as np
from scipy import stats


def expanded(draws: Sequence[float] | np.ndarray, num_images: int) -> tuple[float, float]:
    """Return the draws' quantiles at the normal's level of Student's limits for that many images."""
    outside = stats.norm.cdf(np.sqrt(num_images / (num_images - 1)) * stats.t.ppf(0.025, num_images - 1))
    low, high = np.nanquantile(draws, [outside, 1 - outside])
    return float(low), float(high)
