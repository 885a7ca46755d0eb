"""Joins the rows of a study with what their maps cost."""

import pandas as pd

from lightning_spx.reporting.rows import PASSES


def with_passes(results: pd.DataFrame, per_image: pd.DataFrame) -> pd.DataFrame:
    """Write beside each row how often its method evaluates the network for a map.

    Args:
        results: rows of `results.csv`.
        per_image: the rows of `compare` that say it, of some images and all methods; those of earlier versions do not.

    Returns:
        The same rows in the same order; NaN where nobody knows.

    Example:
        >>> key = dict(method=["IG"], superpixels=["pixel"])
        >>> costs = pd.DataFrame({**key, "forward_passes": [20.125], "backward_passes": [20.0]})
        >>> with_passes(pd.DataFrame({**key, "value": [0.5]}), costs)["forward_passes"].tolist()
        [20.12]
    """
    known = [name for name in PASSES if name in per_image]
    keys = ["method", "superpixels"]
    if not known:
        return results
    costs = per_image.assign(superpixels=per_image["superpixels"].astype(str)).groupby(keys)[known].first().round(2)
    order = [*results.columns, *(name for name in known if name not in results)]
    return results.drop(columns=[name for name in known if name in results]).join(costs, on=keys)[order]
