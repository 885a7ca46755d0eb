"""Takes the values of all pairs of models apart into what models and what single pairs contribute."""

from collections.abc import Sequence

import numpy as np

from lightning_spx.evaluation.statistics.bootstrap import Array


def pseudovalues(of_pairs: Array, members: Sequence[tuple[int, ...]]) -> Array:
    """Return the jackknife's pseudovalues of each model on each image (Arvesen 1969); their mean is that of the pairs.

    Args:
        of_pairs: (P, N) values of pairs, or of single models, which are their own pseudovalues.
        members: the models of each of them.

    Returns:
        (M, N).

    Example:
        >>> pseudovalues(np.array([[1.0], [2.0], [3.0]]), [(0, 1), (0, 2), (1, 2)]).ravel().tolist()
        [0.0, 2.0, 4.0]
    """
    models = sorted({model for pair in members for model in pair})
    has = np.array([[model in pair for pair in members] for model in models])
    without: Array = (~has @ of_pairs) / (~has).sum(1, keepdims=True)
    count = len(models)
    result: Array = count * of_pairs.mean(0) - (count - 1) * without
    return result


def pair_variances(of_pairs: Array, members: Sequence[tuple[int, ...]]) -> tuple[float, float]:
    """Estimate the variance of a pair's mean over images that is no sum of the two models' effects.

    This is the analysis of a round robin (Warner, Kenny & Stoto 1979) for pairs without an order.

    Args:
        of_pairs: (P, N) values of all pairs of four or more models.
        members: the models of each pair.

    Returns:
        The whole variance, and the part of it that other images would change.
    """
    effects = pair_design(members)
    residual = of_pairs - effects @ (np.linalg.pinv(effects) @ of_pairs)
    degrees = len(members) - effects.shape[1]
    of_mean = residual.mean(1)
    passing = ((residual - of_mean[:, None]) ** 2).sum() / (degrees * (residual.shape[1] - 1) * residual.shape[1])
    return float((of_mean**2).sum() / degrees), float(passing)


def pair_design(members: Sequence[tuple[int, ...]]) -> Array:
    """Return which models are in which pair, (P, M), as ones and zeros."""
    models = sorted({model for pair in members for model in pair})
    return np.array([[float(model in pair) for model in models] for pair in members])
