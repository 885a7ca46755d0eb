"""Says in words what the numbers of `results.csv` are, for the titles and axes of figures, tables and the page."""

from lightning_spx.reporting.rows import FINDING, finding_of

TITLES = {
    "saliency_ssim": "SSIM of saliency maps between models",
    "topk_overlap": "Overlap of the top pixels between models",
    "mege": "MeGe, generalizability between models",
    "reco": "ReCo, consistency between models",
    "deletion": "Deletion, area under the curve (low is good)",
    "insertion": "Insertion, area under the curve (high is good)",
    "road": "ROAD, probability after imputation (morf: low, lerf and combined: high is good)",
    "matched_gain": "Gain in excess over blurs of all widths at matched fidelity",
    "fidelity_error": "Fidelity error, distance to the pixel map (low is good)",
    "roar_accuracy": "ROAR, accuracy after removal and retraining (low is good)",
    "kar_accuracy": "KAR, accuracy after keeping and retraining (high is good)",
    "mass_accuracy": "Mass of the map inside the mask",
    "pointing_game": "Pointing game, the most salient pixels inside the mask",
    "mask_auc": "AUC of the map as a detector of the mask",
    "mask_auprc": "AUPRC of the map as a detector of the mask, average precision",
    "correlation": "Correlation of maps between models",
    "residual_correlation": "Correlation of maps between models without what the image explains",
    "sanity_ssim": "Sanity check: SSIM of maps with those of the same network with layers randomized (chance is good)",
}
LABELS = {
    "saliency_ssim": "SSIM",
    "topk_overlap": "overlap of the top pixels",
    "mege": "MeGe",
    "reco": "ReCo",
    "deletion": "deletion",
    "insertion": "insertion",
    "road": "ROAD",
    "matched_gain": "gain at matched fidelity",
    "fidelity_error": "fidelity error",
    "roar_accuracy": "accuracy (ROAR)",
    "kar_accuracy": "accuracy (KAR)",
    "mass_accuracy": "mass inside the mask",
    "pointing_game": "pointing game",
    "mask_auc": "AUC of the mask",
    "mask_auprc": "AUPRC of the mask",
    "correlation": "correlation",
    "residual_correlation": "correlation without the image's part",
    "sanity_ssim": "SSIM with the randomized network",
}
SETTINGS = {
    "distance=l2": "L2 distance",
    "distance=l2_raw": "raw L2 distance",
    "distance=spearman": "Spearman distance",
    "substrate=blur": "blurred substrate",
    "substrate=black": "black substrate",
    "order=morf": "most relevant pixels first (MoRF)",
    "order=lerf": "least relevant pixels first (LeRF)",
    "order=combined": "(LeRF - MoRF) / 2",
    "order=same": "blurs of the same order",
}


def number_label(metric: str, setting: str = "") -> str:
    """Name a number shortly, as on the axis of a figure; a name that is not known stays as it is.

    Args:
        metric: in the column `metric` of `results.csv`.
        setting: in the column `setting`.

    Example:
        >>> number_label("mege", "distance=l2"), number_label("saliency_ssim"), number_label("topk_overlap", "k=0.1")
        ('MeGe, L2 distance', 'SSIM', 'overlap of the top pixels, top 10 %')
    """
    return ", ".join(filter(None, [LABELS.get(metric, metric), setting_words(setting)]))


def number_title(metric: str, setting: str = "") -> str:
    """Name a number with what it is, as above its table.

    Args:
        metric: in the column `metric` of `results.csv`.
        setting: in the column `setting`.

    Example:
        >>> number_title("mege", "distance=l2")
        'MeGe, generalizability between models, L2 distance'
    """
    return ", ".join(filter(None, [TITLES.get(metric, metric), setting_words(setting)]))


def setting_words(setting: str) -> str:
    """Say a setting in words; what is not known stays as it is.

    Example:
        >>> setting_words("randomised=50%"), setting_words("percentage=30"), setting_words("distance=l2;finding=wing")
        ('50 % of the layers randomized', '30 % of the pixels', 'L2 distance, finding: wing')
    """
    return ", ".join(_entry_words(entry) for entry in setting.split(";") if entry)


def _entry_words(entry: str) -> str:
    if entry in SETTINGS:
        return SETTINGS[entry]
    if entry.startswith(FINDING):
        return f"finding: {finding_of(entry)}"
    name, _, value = entry.partition("=")
    match name:
        case "k":
            return f"top {float(value) * 100:g} %" if _is_number(value) else entry
        case "models_averaged":
            return "single models" if value == "1" else f"means of {value} models"
        case "percentage":
            return f"{value} % of the pixels"
        case "randomised":
            return f"{value.removesuffix('%')} % of the layers randomized"
    return f"{name}: {value}" if value else entry


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
