"""The rows of `results.csv`: their columns, the words in them, and which of them a table or figure shows."""

from collections.abc import Iterable, Mapping
from typing import Final

import pandas as pd

from lightning_spx.reporting.plans import check_one_plan
from lightning_spx.reporting.reference_rows import CONTROL, REFERENCE, is_reference

KEYS = [
    *("dataset", "models", "plan", "pair", "method", "superpixels", "magnitude", "metric", "setting"),
    "condition",
]
# in the column `condition`: which images count for a pair of models
ALL_IMAGES: Final = "all"
SAME_PREDICTION: Final = "same_prediction"
BOTH_RIGHT: Final = "both_right"
CONDITIONS = (ALL_IMAGES, SAME_PREDICTION, BOTH_RIGHT)
# key columns that tables of earlier versions lack, with the entry that all their rows would have
LATER_KEYS = {"plan": "", "condition": ALL_IMAGES}
# variances of the excess: of one image, one repeat, one model, one pair of models, and of what is left
COMPONENTS = ("var_image", "var_repeat", "var_model", "var_pair", "var_rest")
# how often a method evaluates a network forward and backward for one map
PASSES = ("forward_passes", "backward_passes")
# of trade-offs alone, whose tables of earlier versions lack it: what is known of segments without ground truth
PARTITION = ("explained_variation", "global_regularity")
# columns of numbers that tables of earlier versions lack; of the dropped images `num_wrong` are those that the models'
# predictions leave out, of the counted ones `num_constant` are those of constant maps
LATER = (
    *("num_wrong", "num_constant", "excess_low", "excess_high"),
    *("ceiling", "normalised", "normalised_low", "normalised_high"),
    *COMPONENTS,
    "halving_trainings",
    *PASSES,
)
# all numbers of images count an image once, however many findings of it are explained
VALUES = [
    *("value", "ci_low", "ci_high", "interval", "num_images", "num_dropped", "floor", "excess"),
    *("best_control", "gain", "gain_low", "gain_high", "mean_segments"),
    *LATER,
]
# in the column `metric`: of two maps, and of what is left of them once the image's part is taken out
CORRELATION: Final = "correlation"
RESIDUAL: Final = "residual_correlation"
# in the column `pair`
ALL_PAIRS = "all"
# in the column `superpixels`, beside segmenters and the names of `reference_rows`: a map by pixel, and that of a method
# that explains by segments of its own
PIXEL = "pixel"
OWN = "own segments"
# ways of smoothing that know nothing of the image's content
GRID, VORONOI, BORROWED, BLUR = CONTROL_KINDS = ("grid", "voronoi", "borrowed", "blur")
# in the column `magnitude`: signed values are pooled first, or magnitudes are, or both give the same number
AFTER: Final = "after"
BEFORE: Final = "before"
EITHER: Final = "either"
# in the column `setting`, the entry of the rows of a single finding
FINDING: Final = "finding="
# what would end an entry or its name, and the sign that stands before what stands for them
ESCAPES = {"%": "%25", ";": "%3B", "=": "%3D"}


def as_results(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """Make a table with the columns of `results.csv`; rows of one plan and of all images need not say so.

    Example:
        >>> as_results([{"method": "Gradient"}])[["method", "plan", "condition"]].iloc[0].tolist()
        ['Gradient', '', 'all']
    """
    return pd.DataFrame([{**LATER_KEYS, **row} for row in rows], columns=[*KEYS, *VALUES])


def of_condition(results: pd.DataFrame, condition: str = ALL_IMAGES) -> pd.DataFrame:
    """Select the rows of one condition; a table without the column has rows of all images alone.

    Example:
        >>> of_condition(pd.DataFrame({"condition": ["all", "both_right"]})).index.tolist()
        [0]
    """
    return results[results["condition"] == condition] if "condition" in results else results


def with_finding(setting: str, finding: str) -> str:
    """Add a finding to a setting; an empty one stands for all findings and adds nothing.

    Example:
        >>> with_finding("distance=l2", "red wing"), with_finding("", "a;b=c"), with_finding("k=0.1", "")
        ('distance=l2;finding=red wing', 'finding=a%3Bb%3Dc', 'k=0.1')
    """
    if not finding:
        return setting
    escaped = "".join(ESCAPES.get(letter, letter) for letter in finding)
    return ";".join(filter(None, [setting, f"{FINDING}{escaped}"]))


def finding_of(setting: str) -> str:
    """Read the finding from a setting; it is empty in rows over all findings.

    Example:
        >>> finding_of("distance=l2;finding=a%3Bb%3Dc"), finding_of("distance=l2")
        ('a;b=c', '')
    """
    found = next((entry for entry in setting.split(";") if entry.startswith(FINDING)), "").removeprefix(FINDING)
    # the sign of the escapes is the last to be put back
    for letter, escaped in reversed(ESCAPES.items()):
        found = found.replace(escaped, letter)
    return found


def without_finding(setting: str) -> str:
    """Leave the finding out of a setting, and return what the rows over all findings have there.

    Example:
        >>> without_finding("distance=l2;finding=wing"), without_finding("finding=wing")
        ('distance=l2', '')
    """
    return ";".join(entry for entry in setting.split(";") if not entry.startswith(FINDING))


def over_findings(results: pd.DataFrame) -> pd.DataFrame:
    """Leave the rows of single findings out; a study of classes has none.

    Example:
        >>> over_findings(pd.DataFrame({"setting": ["", "finding=wing"]})).index.tolist()
        [0]
    """
    # pandas reads the empty setting of a file as a missing value
    settings = results["setting"].astype(object).fillna("")
    return results[settings.map(finding_of) == ""]


def numbers_shown(results: pd.DataFrame) -> list[tuple[str, str]]:
    """List the metrics with their settings, in the order of the rows over all pairs, images and findings.

    Example:
        >>> rows = pd.DataFrame({"metric": ["mege", "reco"], "setting": ["distance=l2", ""], "pair": ["all", "0-1"]})
        >>> numbers_shown(rows)
        [('mege', 'distance=l2')]
    """
    rows = over_findings(of_condition(results[results["pair"] == ALL_PAIRS]))
    return list(dict.fromkeys(zip(rows["metric"], rows["setting"].astype(object).fillna(""), strict=True)))


def select_rows(results: pd.DataFrame, metric: str, setting: str) -> pd.DataFrame:
    """Select the rows of one metric over all pairs of models, controls included.

    Args:
        results: rows of `results.csv`.
        metric: which of its metrics.
        setting: which of the metric's settings.

    Raises:
        ValueError: there is no such row, or there are rows of several plans.

    Example:
        >>> results = pd.DataFrame({"metric": ["mege", "reco"], "setting": "distance=l2", "pair": "all"})
        >>> select_rows(results, "reco", "distance=l2").index.tolist()
        [1]
    """
    of_all = of_condition(results[results["pair"] == ALL_PAIRS])
    # pandas reads the empty setting of a file as a missing value
    of_all = of_all.assign(setting=of_all["setting"].astype(object).fillna(""))
    rows = of_all[(of_all["metric"] == metric) & (of_all["setting"] == setting)]
    if rows.empty:
        known = list(dict.fromkeys(zip(of_all["metric"], of_all["setting"], strict=True)))
        raise ValueError(f"Expected `metric` and `setting` to be one of {known}, got {(metric, setting)}.")
    check_one_plan(rows)
    return rows


def has_gain(row: pd.Series) -> bool:
    """Whether an S- row beats every control and chance: the least bad of rows below their floors gains nothing.

    Numbers of fidelity have no floor to be above.

    Example:
        >>> [has_gain(pd.Series({"gain_low": 0.1, "floor": 0.2, "excess": excess})) for excess in (0.3, -0.3)]
        [True, False]
    """
    return bool(row["gain_low"] > 0 and (pd.isna(row["floor"]) or row["excess"] > 0))


def survives(row: pd.Series) -> bool:
    """Whether a map resembles that of the same network with all layers randomised more than chance would have it.

    Such a map shows the image rather than what the network has learnt (Adebayo et al., NeurIPS 2018).

    Example:
        >>> row = dict(metric="sanity_ssim", setting="randomised=100%", ci_low=0.2, floor=0.1)
        >>> [survives(pd.Series({**row, "setting": setting})) for setting in ("randomised=100%", "randomised=50%")]
        [True, False]
    """
    return bool(row["metric"] == "sanity_ssim" and row["setting"] == "randomised=100%" and row["ci_low"] > row["floor"])


def without_controls(rows: pd.DataFrame) -> pd.DataFrame:
    """Leave the rows out that others are measured against: the controls, and the references that no model has made.

    Example:
        >>> names = ["pixel", "Slic", "control:grid(Slic)", "reference:edges"]
        >>> without_controls(pd.DataFrame({"superpixels": names})).index.tolist()
        [0, 1]
    """
    return rows[~rows["superpixels"].str.startswith((CONTROL, REFERENCE))]


def control_name(kind: str, superpixels: str) -> str:
    """Name a control in the column `superpixels`.

    Args:
        kind: one of `CONTROL_KINDS`.
        superpixels: what it is a control of.

    Example:
        >>> control_name("grid", "Slic")
        'control:grid(Slic)'
    """
    return f"{CONTROL}{kind}({superpixels})"


def control_kind(name: str) -> str:
    """Read the kind of a control from its name.

    Example:
        >>> control_kind("control:grid(Slic)")
        'grid'
    """
    return name.removeprefix(CONTROL).partition("(")[0]


def is_as_given(name: str) -> bool:
    """Whether a name in the column `superpixels` is that of a map as its method gives it, which is not pooled.

    Example:
        >>> is_as_given("pixel"), is_as_given("own segments"), is_as_given("Slic")
        (True, True, False)
    """
    return name in (PIXEL, OWN)


def prefix_of(superpixels: str) -> str:
    """Return what stands before the name of a method whose map is pooled, and nothing before others.

    Example:
        >>> prefix_of("pixel"), prefix_of("own segments"), prefix_of("Slic")
        ('', '', 'S-')
    """
    return "" if is_as_given(superpixels) or is_reference(superpixels) else "S-"


def label_of(superpixels: str) -> str:
    """Name a kind of map beside the method's name, as legends do.

    Example:
        >>> label_of("pixel"), label_of("own segments"), label_of("Slic"), label_of("reference:edges")
        ('pixel', 'own segments', 'S-, Slic', 'reference: edges')
    """
    if is_reference(superpixels):
        return superpixels.replace(":", ": ")
    return superpixels if is_as_given(superpixels) else f"S-, {superpixels}"


def said_of(superpixels: str) -> str:
    """Say in a sentence what gives the values of a kind of map.

    Example:
        >>> said_of("pixel"), said_of("own segments"), said_of("Slic"), said_of("reference:edges")
        ('by pixel', 'by own segments', 'with Slic', 'without a model, edges')
    """
    if is_reference(superpixels):
        return f"without a model, {superpixels.removeprefix(REFERENCE)}"
    return f"by {superpixels}" if is_as_given(superpixels) else f"with {superpixels}"


def is_control(name: str) -> bool:
    """Whether a name in the column `superpixels` is that of a control.

    Example:
        >>> is_control("control:grid(Slic)"), is_control("Slic")
        (True, False)
    """
    return name.startswith(CONTROL)


def is_control_of(name: str, superpixels: str) -> bool:
    """Whether a name in the column `superpixels` is that of a control of these super-pixels.

    Example:
        >>> is_control_of("control:grid(Slic)", "Slic"), is_control_of("Slic", "Slic")
        (True, False)
    """
    return is_control(name) and name.endswith(f"({superpixels})")
