"""Joins the rows of a study with what their maps cost."""

import pandas as pd

from lightning_spx.reporting.reference_rows import is_reference
from lightning_spx.reporting.rows import PASSES

KEYS = ["method", "superpixels"]
# of the rows of `compare`, those that say it
COST_COLUMNS = (*KEYS, *PASSES)


def with_passes(results: pd.DataFrame, per_image: pd.DataFrame) -> pd.DataFrame:
    """Write beside each row how often its method evaluates the network for a map, as the mean over all maps.

    Args:
        results: rows of `results.csv`.
        per_image: the rows of `compare` for one metric or several, with the columns `COST_COLUMNS`; those of earlier
            versions do not say it.

    Returns:
        The same rows in the same order; NaN where nobody knows.

    Example:
        >>> key = dict(method="ablation", superpixels="own segments")
        >>> costs = pd.DataFrame([dict(key, forward_passes=each, backward_passes=0.0) for each in (3.0, 16.0)])
        >>> with_passes(pd.DataFrame([dict(key, value=0.5)]), costs)["forward_passes"].tolist()
        [9.5]
    """
    known = [name for name in PASSES if name in per_image]
    if not known:
        return results
    words = {name: per_image[name].astype(str) for name in KEYS}
    costs = per_image.assign(**words).groupby(KEYS)[known].mean().round(2)
    order = [*results.columns, *(name for name in known if name not in results)]
    joined = results.drop(columns=[name for name in known if name in results]).join(costs, on=KEYS)[order]
    # no model makes a reference
    joined.loc[joined["superpixels"].map(is_reference).astype(bool), known] = 0.0
    return joined
