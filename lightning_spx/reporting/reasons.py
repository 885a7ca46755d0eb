"""Says why a row of `results.csv` has no verdict, and why it counts fewer images than the study has."""

import pandas as pd

BLANK = "blank maps"
ONE_IMAGE = "one image counts"
NO_CHANCE = "no excess: the floor is 1"
NO_GAIN_KNOWN = "no gain: a control has no excess"
MASK_METRICS = ("mass_accuracy", "pointing_game", "mask_auc", "mask_auprc")
# in the column `interval`, what an interval covers; tables of earlier versions say it in full
COVERED = {
    "these models": "cover images, for these models",
    "models of this data and architecture": "cover images and models of this data and architecture",
}


def why_no_verdict(row: pd.Series) -> str:
    """Say why a row has no verdict; return an empty text if it has one.

    A row has no verdict if it counts no image or only one, if all its maps are constant, or if chance alone is perfect,
    because the excess over the floor is not defined then.

    Example:
        >>> row = dict(metric="saliency_ssim", value=1.0, floor=1.0, excess=float("nan"), num_images=4, num_constant=4)
        >>> why_no_verdict(pd.Series(row)), why_no_verdict(pd.Series({**row, "num_constant": 0}))
        ('blank maps', 'no excess: the floor is 1')
        >>> why_no_verdict(pd.Series({**row, "metric": "mege", "value": float("nan"), "num_images": 0}))
        'no image counts: no two models are right on one'
    """
    number = row.get("num_images")
    if number is not None and number == 0:
        return {
            "mege": "no image counts: no two models are right on one",
            "reco": "no image counts: no model of a pair is right on one",
        }.get(str(row["metric"]), "no image counts")
    if number is not None and row.get("num_constant") == number:
        return BLANK
    if number is not None and number == 1:
        return ONE_IMAGE
    if pd.isna(row.get("value", 0.0)):
        return "no value: not both kinds of image" if row["metric"] == "reco" else "no value"
    if pd.isna(row.get("excess")) and row.get("floor", 0.0) >= 1:
        return NO_CHANCE
    return ""


def counted_images(row: pd.Series) -> str:
    """Say how many images a row counts and why it leaves out the others.

    Example:
        >>> row = dict(metric="mege", num_images=167, num_dropped=33, num_wrong=33)
        >>> counted_images(pd.Series(row))
        '167 of 200 images (left out: 33 that no two models are right on)'
        >>> counted_images(pd.Series(dict(metric="mege", num_images=200)))
        '200 images'
    """
    number, dropped = int(row["num_images"]), row.get("num_dropped")
    if dropped is None or pd.isna(dropped) or not dropped:
        return f"{number} images"
    wrong = row.get("num_wrong")
    if wrong is None or pd.isna(wrong):
        return f"{number} of {number + int(dropped)} images"
    without = int(dropped) - int(wrong)
    metric = str(row["metric"])
    right = "no two models are right on" if metric == "mege" else "no model of a pair is right on"
    value = (
        "have no object in their mask, or nothing beside it"
        if metric in MASK_METRICS
        else "all models of a pair have trained on, or none, or whose maps have no value"
    )
    parts = [f"{count} that {text}" for count, text in ((int(wrong), right), (without, value)) if count]
    return f"{number} of {number + int(dropped)} images (left out: {'; '.join(parts)})"


def number_text(value: float, form: str = ".3f") -> str:
    """Format a number; a missing number is a dash.

    Example:
        >>> number_text(0.25), len(number_text(float("nan")))
        ('0.250', 1)
    """
    return "\N{EN DASH}" if pd.isna(value) else f"{value:{form}}"


def interval_text(row: pd.Series) -> str:
    """Format a row's value with its interval, if it has one; a missing value is a dash.

    Example:
        >>> interval_text(pd.Series(dict(value=0.5, ci_low=0.25, ci_high=0.75)))
        '0.500 [0.250, 0.750]'
    """
    if pd.isna(row["value"]) or (pd.isna(row["ci_low"]) and pd.isna(row["ci_high"])):
        return number_text(row["value"])
    return f"{row['value']:.3f} [{number_text(row['ci_low'])}, {number_text(row['ci_high'])}]"


def excess_text(row: pd.Series, name: str = "excess") -> str:
    """Format a row's excess, or another number with limits, with its interval if there is one; missing is a dash.

    Example:
        >>> row = pd.Series(dict(excess=0.5, excess_low=0.25, excess_high=0.75))
        >>> excess_text(row), excess_text(row.drop(["excess_low", "excess_high"]))
        ('0.500 [0.250, 0.750]', '0.500')
    """
    limits = [row.get(f"{name}_{end}", float("nan")) for end in ("low", "high")]
    if pd.isna(row[name]) or pd.isna(limits).all():
        return number_text(row[name])
    return f"{row[name]:.3f} [{number_text(limits[0])}, {number_text(limits[1])}]"


def covered(rows: pd.DataFrame) -> str:
    """Say what the intervals of a table's rows cover, to follow "95 % intervals".

    Example:
        >>> covered(pd.DataFrame({"interval": ["these models"]})), covered(pd.DataFrame({"interval": ["over images"]}))
        ('cover images, for these models', 'over images')
    """
    said = dict.fromkeys(str(word) for word in rows["interval"] if not pd.isna(word))
    return "; ".join(COVERED.get(word, word) for word in said)
