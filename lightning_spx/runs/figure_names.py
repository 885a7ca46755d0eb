"""Names the figures of numbers, which a study writes and its page reads."""

from lightning_spx.runs.files import file_name


def number_figure(metric: str, setting: str, plan: str = "") -> str:
    """Name the figure of a number, without the ending of its file.

    Args:
        metric: in the column `metric` of `results.csv`.
        setting: in the column `setting`.
        plan: in the column `plan`, for a study of several plans, else empty.

    Example:
        >>> number_figure("saliency_ssim", ""), number_figure("mege", "distance=l2"), number_figure("reco", "", "seeds")
        ('saliency_ssim', 'mege_l2', 'reco_seeds')
    """
    return file_name("_".join(filter(None, [metric, setting.replace("distance=", ""), plan])))
