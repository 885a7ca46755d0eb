"""Orders the models of a study by their agreement, and tests whether they form two groups that explain differently.

Models of one data set can reach the same accuracy by several explanations (EvoXplain, arXiv 2512.22240). The mean of
all pairs then describes no pair: those within a group agree more, those between the groups less.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from lightning_spx.evaluation.statistics.bootstrap import Array, Flags
from lightning_spx.evaluation.statistics.halves import holm

LEAST_MODELS = 4  # two in each group
LEVEL = 0.05
# A residual beyond twice the median magnitude counts as one of twice the median, so that a single pair makes no group.
CLIP = 2.0
# Draws of the null have the tails of Student's t with 3 degrees of freedom: for lighter tails the test is conservative.
TAILS = 3
# of the largest agreement: smaller residuals are rounding errors
ROUNDING = 1e-12


@dataclass(frozen=True)
class Groups:
    """Two groups of models, the split of which the residuals of an additive model show most.

    Args:
        members: numbers of the models of each group in ascending order; the first group has the first model.
        p_value: how often models of a single group show a split as clearly.
        within: mean agreement of the pairs within the groups.
        between: mean agreement of the pairs between the groups.
    """

    members: tuple[list[int], list[int]]
    p_value: float
    within: float
    between: float

    @property
    def difference(self) -> float:
        """Return how much more models agree within their group than with the other one."""
        return self.within - self.between


def linkage_order(matrix: Array) -> list[int]:
    """Order models so that those that agree stand together, by average linkage of 1 - agreement.

    Of the orders that fit the tree it is the one in which neighbors agree most (Bar-Joseph et al. 2001), read from the
    end with the lower number.

    Args:
        matrix: agreement of every two models, shape (k, k), symmetric; the diagonal is ignored. A pair without a value
            (NaN) counts as the mean of the others.

    Returns:
        The numbers of the models, each once.

    Raises:
        ValueError: if the matrix is not square or not symmetric.

    Example:
        >>> linkage_order(np.array([[1.0, 0.1, 0.8], [0.1, 1.0, 0.2], [0.8, 0.2, 1.0]]))
        [0, 2, 1]
    """
    agreement = _pairs(matrix)
    known = np.isfinite(agreement)
    if len(matrix) < 3 or not known.any():
        return list(range(len(matrix)))
    filled = np.where(known, agreement, agreement[known].mean())
    # imported late: it takes as long as pandas, and pages of two models need no order
    from scipy.cluster.hierarchy import leaves_list, linkage

    order = [int(model) for model in leaves_list(linkage(1 - filled, "average", optimal_ordering=True))]
    return order if order[0] < order[-1] else order[::-1]


def groups_test(matrix: Array, num_draws: int = 999, seed: int = 0) -> Groups | None:
    """Test whether models form two groups, each of which agrees more within itself than with the other one.

    The agreement of models i and j is fitted by m + a_i + a_j, so that models may be good or bad by themselves. The
    splits are those of the tree of average linkage of the residuals, with at least two models on each side; the
    statistic is the largest share of the residuals' sum of squares that belonging to the same group explains. The same
    is done with draws of pairs whose agreement is noise, and p = (1 + number of draws with at least that share) / (1 +
    number of draws) (Dwass 1957). The share has no scale, and no model effect changes it: the draws hold for any.

    Agreement may also be a product, q_i q_j, as it is for maps of one signal in noise. Then good models among
    themselves agree more, and bad ones less, than a sum says, which looks like two groups; but the bad ones agree with
    the good ones more than with one another. So a split counts only if *both* groups agree more within than between.

    In simulations (`tests/evaluation/statistics/test_groups.py`) a single group of 4 to 8 models has p <= 0.05 in at
    most 5 % of studies, whether the noise of the pairs is Gaussian or has the tails of t with 3 degrees of freedom, for
    model effects of any size and for products; in at most 10 % if the noise has a long tail to the right (exponential).
    Power is 90 % for three and three models whose agreement differs by 3 standard deviations of that noise, for four
    and four by 2.3, for two and three by 5.5, for two and four by 5, for two and six by 6; for two and two it is 80 %
    by 20.

    Args:
        matrix: agreement of every two models, shape (k, k), symmetric; the diagonal is ignored.
        num_draws: number of draws of the null.
        seed: seeds the draws.

    Returns:
        The most distinct groups; None for fewer than four models, for a pair without a value (NaN), and if no split
        has two groups that agree more within than between.

    Raises:
        ValueError: if the matrix is not square or not symmetric.

    Example:
        >>> group = np.array([0, 1, 0, 1, 0, 1])
        >>> noise = np.random.default_rng(0).normal(0, 0.02, (6, 6))
        >>> found = groups_test(np.where(group[:, None] == group, 0.4, 0.2) + noise + noise.T)
        >>> found.members, found.p_value, round(found.difference, 1)
        (([0, 2, 4], [1, 3, 5]), 0.001, 0.2)
    """
    agreement = _pairs(matrix)
    num_models = len(matrix)
    if num_models < LEAST_MODELS or not np.isfinite(agreement).all():
        return None
    residuals = _residuals(agreement, num_models)
    if np.abs(residuals).max() <= ROUNDING * np.abs(agreement).max():
        return None
    splits = _splits(residuals, num_models)
    distinct = np.array([_agree_within(agreement, split) for split in splits], dtype=bool)
    splits = splits[distinct]
    shares = _shares(residuals, splits)
    if not len(shares) or not shares.max() > 0:
        return None
    split = splits[shares.argmax()]
    null = _null(num_models, num_draws, seed)
    same = _same(split)
    return Groups(
        members=(np.flatnonzero(split == split[0]).tolist(), np.flatnonzero(split != split[0]).tolist()),
        p_value=float((1 + np.sum(null >= shares.max())) / (1 + num_draws)),
        within=float(agreement[same].mean()),
        between=float(agreement[~same].mean()),
    )


def groups_sentence(groups: Groups, names: Sequence[str]) -> str:
    """Say which models explain differently.

    Args:
        groups: of the models.
        names: names of the models, in the order of the matrix.

    Example:
        >>> groups_sentence(Groups(([0, 2], [1, 3]), 0.002, 0.41, 0.22), ["0", "1", "2", "3"])[:60]
        'Models 0, 2 and models 1, 3 explain differently (p = 0.002):'
    """
    first, second = (", ".join(names[model] for model in members) for members in groups.members)
    return (
        f"Models {first} and models {second} explain differently (p = {groups.p_value:.2g}): agreement "
        f"{groups.within:.2f} within, {groups.between:.2f} between; a mean over them describes neither."
    )


def groups_sentences(
    matrices: Mapping[str, Array], names: Sequence[str], num_draws: int = 999, seed: int = 0
) -> dict[str, str]:
    """Say for which methods models form groups, at a level of 5 % over all methods (Holm 1979).

    Args:
        matrices: agreement of every two models, shape (k, k), by the name of the method.
        names: names of the k models.
        num_draws: number of draws of the null of each test; its smallest p-value is 1 / (1 + num_draws).
        seed: seeds the draws.

    Returns:
        The sentence of each method that shows groups, with the corrected p-value.

    Raises:
        ValueError: if a matrix is not square or not symmetric, or has not as many models as there are names.

    Example:
        >>> groups_sentences({"Gradient": np.eye(6)}, list("abcdef"))
        {}
    """
    for method, matrix in matrices.items():
        if len(matrix) != len(names):
            raise ValueError(f"Expected a matrix of {len(names)} models for {method}, got {len(matrix)}.")
    found = {method: groups_test(matrix, num_draws, seed) for method, matrix in matrices.items()}
    # a method without a split is a test, too
    corrected = holm([1.0 if groups is None else groups.p_value for groups in found.values()])
    return {
        method: groups_sentence(replace(groups, p_value=p_value), names)
        for (method, groups), p_value in zip(found.items(), corrected, strict=True)
        if groups is not None and p_value <= LEVEL
    }


def _pairs(matrix: Array) -> Array:
    """Return the agreement of the pairs, in the order of `itertools.combinations`."""
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"Expected `matrix` of shape (k, k), got {matrix.shape}.")
    above = np.triu_indices(len(matrix), 1)
    if not np.allclose(matrix[above], matrix.T[above], equal_nan=True):
        raise ValueError("Expected `matrix` to be symmetric: give the agreement of each pair of models once.")
    pairs: Array = matrix[above].astype(np.float64)
    return pairs


@cache
def _projector(num_models: int) -> Array:
    """Return the matrix that takes the pairs' values to their residuals beside the sum of two model effects."""
    first, second = np.triu_indices(num_models, 1)
    models = np.arange(num_models)
    design = (first[:, None] == models).astype(np.float64) + (second[:, None] == models)
    projector: Array = np.eye(len(first)) - design @ np.linalg.pinv(design)
    return projector


def _residuals(values: Array, num_models: int) -> Array:
    projector = _projector(num_models)
    residuals = projector @ values
    limit = CLIP * np.median(np.abs(residuals))
    clipped: Array = projector @ np.clip(residuals, -limit, limit)
    return clipped


def _splits(residuals: Array, num_models: int) -> Flags:
    """Return which models are in a node of the residuals' tree, (splits, models), for nodes that split off a group."""
    from scipy.cluster.hierarchy import linkage  # imported late, as above

    nodes = list(np.eye(num_models, dtype=bool))
    for left, right in linkage(residuals.max() - residuals, "average")[:, :2].astype(int).tolist():
        nodes.append(nodes[left] | nodes[right])
    sizes = np.sum(nodes, axis=1)
    splits: Flags = np.array(nodes)[(sizes >= 2) & (sizes <= num_models - 2)]
    return splits


def _same(splits: Flags) -> Flags:
    """Return whether the two models of each pair are on the same side, (..., models) -> (..., pairs)."""
    first, second = np.triu_indices(splits.shape[-1], 1)
    same: Flags = splits[..., first] == splits[..., second]
    return same


def _shares(residuals: Array, splits: Flags) -> Array:
    """Return the share of the residuals' sum of squares that each split explains; 0 if it agrees more between."""
    explained = _same(splits) @ residuals
    squares = _split_squares(splits.shape[-1])[splits.sum(axis=1)] * (residuals @ residuals)
    shares: Array = np.where(explained > 0, explained**2 / squares, 0.0)
    return shares


@cache
def _split_squares(num_models: int) -> Array:
    """Return the sum of squares of a split's own residuals, by the size of its group."""
    splits = np.arange(num_models) < np.arange(num_models + 1)[:, None]
    squares: Array = ((_same(splits) @ _projector(num_models)) ** 2).sum(axis=1)
    return squares


def _agree_within(agreement: Array, split: Flags) -> bool:
    """Say whether each side of a split agrees more within itself than with the other side."""
    first, second = np.triu_indices(len(split), 1)
    number = split[first].astype(int) + split[second]  # of models in the group
    between = agreement[number == 1].mean()
    return bool(agreement[number == 0].mean() > between and agreement[number == 2].mean() > between)


@cache
def _null(num_models: int, num_draws: int, seed: int) -> Array:
    """Return the statistic of pairs whose agreement is noise, (draws,)."""
    return np.fromiter(_null_draws(num_models, num_draws, seed), dtype=np.float64, count=num_draws)


def _null_draws(num_models: int, num_draws: int, seed: int) -> Iterator[float]:
    generator = np.random.default_rng([seed, num_models])
    for _ in range(num_draws):
        residuals = _residuals(generator.standard_t(TAILS, size=num_models * (num_models - 1) // 2), num_models)
        yield max(0.0, *_shares(residuals, _splits(residuals, num_models)))
