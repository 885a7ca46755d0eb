"""Makes Table 2: stability beside fidelity, of each pixel and S- map."""

import pandas as pd

from lightning_spx.reporting.cost import HEADING as COST
from lightning_spx.reporting.cost import cost_text, has_cost
from lightning_spx.reporting.number_words import LABELS
from lightning_spx.reporting.reasons import number_text
from lightning_spx.reporting.reference_rows import is_reference, with_references
from lightning_spx.reporting.rows import ALL_PAIRS, PIXEL, has_gain, of_condition, prefix_of

# heading of the column of stability
STABILITY_HEADING = "excess SSIM"


def fidelity_heading(metric: str, setting: str) -> str:
    """Name the column of a number of fidelity in Table 2.

    Example:
        >>> fidelity_heading("road", "order=combined")
        'ROAD combined'
    """
    return f"{LABELS[metric]} {setting.partition('=')[2]}".strip()


def tradeoff_cells(results: pd.DataFrame, front: pd.DataFrame) -> pd.DataFrame:
    """Return the cells of Table 2: the excess of SSIM and the fidelity of each pixel and S- map.

    A star marks a number that beats every control, a dot a row on the front of its method.

    Args:
        results: rows of `results.csv`.
        front: rows of `front_figure`.

    Example:
        >>> key = dict(method="Gradient", superpixels="pixel", magnitude="either")
        >>> results = pd.DataFrame([dict(key, pair="all", metric="saliency_ssim", setting="", value=0.2, ci_low=0.1,
        ...     ci_high=0.3, gain_low=float("nan"), floor=0.1, excess=0.11)])
        >>> front = pd.DataFrame([dict(key, mean_segments=64.0, on_front=True)])
        >>> tradeoff_cells(results, front)["method"].tolist()
        ['• Gradient']
    """
    own = with_references(of_condition(results[results["pair"] == ALL_PAIRS]))
    lines, costs = [], has_cost(own)
    for _, place in with_references(front).iterrows():
        same = own[
            (own["method"] == place["method"])
            & (own["superpixels"] == place["superpixels"])
            & (own["magnitude"] == place["magnitude"])
        ]
        dot = "\N{BULLET} " if place["on_front"] else ""
        pixel = place["superpixels"] == PIXEL or is_reference(str(place["superpixels"]))
        segments = "" if pixel else f", {place['mean_segments']:.0f}"
        line = {
            "method": f"{dot}{prefix_of(place['superpixels'])}{place['method']}",
            "super-pixels": f"{place['superpixels']}{segments}",
            "order": place["magnitude"],
        }
        if costs:
            line[COST] = cost_text(same.iloc[0])
        for _, row in same.iterrows():
            stable = row["metric"] == "saliency_ssim"
            if not stable and row["metric"] not in ("deletion", "insertion", "road", "fidelity_error"):
                continue
            name = STABILITY_HEADING if stable else fidelity_heading(str(row["metric"]), str(row["setting"]))
            number = row["excess"] if stable else row["value"]
            line[name] = f"{number_text(number)}{'*' if not pixel and has_gain(row) else ' '}"
        lines.append(line)
    return pd.DataFrame(lines).fillna("")
