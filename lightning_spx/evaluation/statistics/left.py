"""Says in a sentence how much of maps' agreement is left once the part that their images explain is taken out."""

import pandas as pd

from lightning_spx.reporting.rows import (
    ALL_PAIRS,
    CORRELATION,
    EITHER,
    RESIDUAL,
    is_as_given,
    of_condition,
    prefix_of,
    said_of,
)

# a larger share would be printed as all
ALL_BUT_ROUNDING = 0.995


def left_sentence(results: pd.DataFrame, method: str, superpixels: str = "", magnitude: str = EITHER) -> list[str]:
    """Say how much of the agreement of one kind of map is left.

    Args:
        results: rows of one plan.
        method: name of the method.
        superpixels: what pools its maps; empty for the maps as the method gives them.
        magnitude: order of pooling and taking magnitudes.

    Returns:
        One sentence; none if an earlier version measured the study, or the maps have no excess.

    Example:
        >>> row = dict(metric="correlation", setting="", pair="all", method="Gradient", superpixels="pixel",
        ...     magnitude="either", excess=0.5, excess_low=0.4, excess_high=0.6)
        >>> left = {**row, "metric": "residual_correlation", "excess": 0.01, "excess_low": -0.1, "excess_high": 0.1}
        >>> print(*left_sentence(pd.DataFrame([row, left]), "Gradient"))
        Of the agreement of Gradient's maps by pixel nothing is left that is above chance (excess of the correlation ...
    """
    own = of_condition(results[(results["method"] == method) & (results["pair"] == ALL_PAIRS)])
    own = own[own["magnitude"].astype(str) == magnitude]
    chosen = own["superpixels"].map(is_as_given) if not superpixels else own["superpixels"] == superpixels
    # the setting over all findings is empty
    own = own[chosen & (own["setting"].astype(object).fillna("") == "")]
    found = [own[own["metric"] == metric] for metric in (CORRELATION, RESIDUAL)]
    if any(rows.empty or pd.isna(rows[["excess", "excess_low"]].iloc[0]).any() for rows in found):
        return []
    whole, left = (rows.iloc[0] for rows in found)
    if whole["excess_low"] <= 0:
        # nothing that could be left
        return []
    name = f"{prefix_of(whole['superpixels'])}{method}"
    order = "" if magnitude == EITHER else f", {magnitude},"
    maps = f"{name}'{'' if name.endswith('s') else 's'} maps {said_of(whole['superpixels'])}{order}"
    numbers = f"{_number(whole)}, then {_number(left)}"
    parts = "once edges, centre and brightness of the image are taken out"
    if left["excess_low"] <= 0:
        return [
            f"Of the agreement of {maps} nothing is left that is above chance (excess of the correlation {numbers}) "
            f"{parts}."
        ]
    share = left["excess"] / whole["excess"]
    rest = "all" if share >= ALL_BUT_ROUNDING else f"{100 * share:.0f} %"
    return [f"Of the agreement of {maps} {rest} is left (excess of the correlation {numbers}) {parts}."]


def _number(row: pd.Series) -> str:
    return f"{row['excess']:.2f} [{row['excess_low']:.2f}, {row['excess_high']:.2f}]"
