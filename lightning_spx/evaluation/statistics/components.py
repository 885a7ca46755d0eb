"""Splits the variance of a number into what images, trainings and pairs of models contribute to it."""

import numpy as np
from scipy.special import ndtri

from lightning_spx.evaluation.statistics.bootstrap import CONFIDENCE, Array
from lightning_spx.evaluation.statistics.round_robin import pair_design, pair_variances
from lightning_spx.evaluation.statistics.trainings import LEAST_MODELS, Design, Spread
from lightning_spx.reporting.rows import COMPONENTS

MOST_TRAININGS = 1000


def components_of(influence: Array, design: Design) -> dict[str, float]:
    """Estimate the variances of a study's number over images, repeats, models and pairs, and what is left.

    Args:
        influence: (R, P, N), as `influence_of` gives it.
        design: the trainings behind repeats and pairs.

    Returns:
        By the names of `COMPONENTS`: the variance over single images; over repeats; the variance of a model's effect,
        which is in all pairs with that model, and of what a single pair adds (Warner, Kenny & Stoto 1979); and of what
        is left of the value of one pair on one image. NaN where the study cannot tell: with one pair, what is left is
        part of `var_image`; with two models, their effects are part of `var_repeat`; with three, what pairs add is
        part of `var_model`.

    Example:
        >>> influence = np.array([[[0.25, -0.25]], [[0.25, -0.25]]])
        >>> found = components_of(influence, Design(2, ["0-1"]))
        >>> found["var_image"], found["var_repeat"], found["var_rest"]
        (2.0, 0.0, 0.0)
    """
    found = dict.fromkeys(COMPONENTS, float("nan"))
    num_images = influence.shape[-1]
    if num_images < 2 or np.isnan(influence).any():
        return found
    values = influence * influence.size
    cells = values.reshape(-1, num_images)
    of_images = cells.mean(0)
    if len(cells) == 1:
        return {**found, "var_image": float(of_images.var(ddof=1))}
    rest = cells - cells.mean(1, keepdims=True) - of_images + cells.mean()
    rest_variance = float((rest**2).sum() / ((len(cells) - 1) * (num_images - 1)))
    found |= {
        "var_image": max(0.0, float(of_images.var(ddof=1)) - rest_variance / len(cells)),
        "var_rest": rest_variance,
    }
    if design.num_repeats > 1:
        # of the variance over repeats, a part belongs to their images
        of_repeats = values.mean(1)
        own = of_repeats - of_repeats.mean(1, keepdims=True) - of_repeats.mean(0) + of_repeats.mean()
        passing = float((own**2).sum() / ((len(own) - 1) * (num_images - 1))) / num_images
        found["var_repeat"] = max(0.0, float(of_repeats.mean(1).var(ddof=1)) - passing)
    if design.has_all_pairs and design.num_models >= LEAST_MODELS:
        parts = [_round_robin(of_repeat, design) for of_repeat in values]
        found["var_model"] = max(0.0, float(np.mean([model for model, _ in parts])))
        if design.num_models > LEAST_MODELS:
            found["var_pair"] = max(0.0, float(np.mean([pair for _, pair in parts])))
    return found


def _round_robin(of_pairs: Array, design: Design) -> tuple[float, float]:
    """Return the variance of the models' effects and of what single pairs add, from all pairs (P, N) of one repeat."""
    lasting = passing = 0.0
    if design.num_models > LEAST_MODELS:
        lasting, passing = pair_variances(of_pairs, design.members)
    effects = np.linalg.pinv(pair_design(design.members)) @ of_pairs
    rest = effects - effects.mean(1, keepdims=True) - effects.mean(0) + effects.mean()
    count, num_images = effects.shape
    of_images = float((rest**2).sum() / ((count - 1) * (num_images - 1))) / num_images
    of_pair = lasting - passing
    return float(effects.mean(1).var(ddof=1)) - of_images - of_pair / (count - 2), of_pair


def halving_trainings(spread: Spread, design: Design) -> float:
    """Return how many trainings in all would halve an interval, with the same images.

    Args:
        spread: of the number.
        design: of the study.

    Returns:
        The number of trainings; NaN if the study does not know, or if images alone keep the interval wider than that.

    Example:
        >>> halving_trainings(Spread(50, share=0.0, trainings=1.0, degrees=2), Design(3, ["0-1"]))
        10.0
    """
    if not spread.trainings > 0:
        return float("nan")
    units = spread.degrees + 1
    each = design.num_models if design.num_repeats > 1 else 1
    tail = (1 - CONFIDENCE) / 2
    of_images = float(ndtri(tail)) ** 2 * spread.images
    wanted = (of_images + spread.reach(tail)) / 4

    def is_enough(count: int) -> bool:
        return of_images + spread.of_units(count).reach(tail) <= wanted

    most = max(units, MOST_TRAININGS // each)
    if not is_enough(most):
        return float("nan")
    few, enough = units, most
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if is_enough(middle) else (middle, enough)
    return float(enough * each)
