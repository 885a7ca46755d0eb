"""Groups of models: against a slow version, and how often they are found where they are planted, and where not."""

from collections.abc import Callable
from itertools import combinations, product

import numpy as np
import pytest
from numpy.typing import NDArray

from lightning_spx.evaluation.statistics.groups import (
    Groups,
    groups_sentence,
    groups_sentences,
    groups_test,
    linkage_order,
)
from lightning_spx.evaluation.statistics.halves import holm

Array = NDArray[np.float64]
Noise = Callable[[np.random.Generator, int], Array]
Mean = Callable[[np.random.Generator, int], Array]

SHORT, LONG = 150, 2000  # studies, in what `make test` has time for and in `make soak`


def soak(*values: object) -> object:
    return pytest.param(*values, LONG, marks=pytest.mark.soak)


def gaussian(generator: np.random.Generator, number: int) -> Array:
    return generator.normal(size=number)


def heavy(generator: np.random.Generator, number: int) -> Array:
    drawn: Array = generator.standard_t(3, size=number) / np.sqrt(3)
    return drawn


def filled(pairs: Array, num_models: int) -> Array:
    matrix = np.eye(num_models)
    matrix[np.triu_indices(num_models, 1)] = pairs
    return np.triu(matrix, 1).T + matrix


def study(generator: np.random.Generator, mean: Array, noise: Noise, scale: float) -> Array:
    """The agreement of all pairs of models, with noise of the pairs."""
    num_models = len(mean)
    drawn = noise(generator, num_models * (num_models - 1) // 2)
    return filled(mean[np.triu_indices(num_models, 1)] + scale * drawn, num_models)


def planted(first: int, second: int, difference: float) -> Array:
    group = np.arange(first + second) < first
    return np.where(group[:, None] == group, difference, 0.0)


def share_found(number: int, draw: Callable[[], Array]) -> tuple[float, float]:
    """The share of studies that show groups, and how much an event of probability 0.05 may vary."""
    num_draws = 399 if number == SHORT else 3999
    found = [groups_test(draw(), num_draws) for _ in range(number)]
    deviation = np.sqrt(0.05 * 0.95 * (1 / number + 1 / num_draws))
    return float(np.mean([groups is not None and groups.p_value <= 0.05 for groups in found])), float(deviation)


def slow_shares(agreement: Array, num_models: int) -> list[tuple[float, tuple[int, ...]]]:
    """The share that each split of the tree explains, by regressions and a naive average linkage."""
    pairs = list(combinations(range(num_models), 2))
    additive = np.array([[1.0, *(float(model in pair) for model in range(num_models))] for pair in pairs])

    def beside(values: Array) -> Array:
        left: Array = values - additive @ np.linalg.lstsq(additive, values, rcond=None)[0]
        return left

    residuals = beside(agreement)
    limit = 2 * np.median(np.abs(residuals))
    residuals = beside(np.clip(residuals, -limit, limit))
    of_pair = dict(zip(pairs, residuals, strict=True))
    clusters: list[tuple[int, ...]] = [(model,) for model in range(num_models)]
    nodes = []

    def mean_residual(one: tuple[int, ...], other: tuple[int, ...]) -> float:
        return float(np.mean([of_pair[min(a, b), max(a, b)] for a in one for b in other]))

    while len(clusters) > 1:
        one, other = max(combinations(clusters, 2), key=lambda both: mean_residual(*both))
        clusters = [each for each in clusters if each not in (one, other)] + [one + other]
        nodes.append(one + other)
    shares = []
    for node in nodes:
        if 2 <= len(node) <= num_models - 2:
            same = beside(np.array([float((a in node) == (b in node)) for a, b in pairs]))
            slope = (same @ residuals) / (same @ same)
            left = residuals - slope * same
            shares.append((float(1 - (left @ left) / (residuals @ residuals)) if slope > 0 else 0.0, node))
    return shares


@pytest.mark.parametrize("num_models", [4, 5, 6, 8])
def test_the_test_is_that_of_a_slow_version(num_models: int) -> None:
    null = np.random.default_rng([7, num_models])
    number = num_models * (num_models - 1) // 2
    draws = [max(share for share, _ in slow_shares(null.standard_t(3, size=number), num_models)) for _ in range(39)]
    generator, compared = np.random.default_rng(0), 0
    for _ in range(12):
        matrix = study(generator, planted(2, num_models - 2, 2.0), gaussian, 1.0)
        agreement, passed = matrix[np.triu_indices(num_models, 1)], []
        for share, node in slow_shares(agreement, num_models):
            rest = [model for model in range(num_models) if model not in node]
            inside = [[matrix[pair] for pair in combinations(side, 2)] for side in (node, rest)]
            across = [matrix[a, b] for a in node for b in rest]
            if share > 0 and min(np.mean(inside[0]), np.mean(inside[1])) > np.mean(across):
                passed.append(
                    (share, sorted(map(sorted, (node, rest))), np.mean(inside[0] + inside[1]), np.mean(across))
                )
        found = groups_test(matrix, num_draws=39, seed=7)
        assert (found is None) == (not passed)
        if found is not None:
            share, members, within, between = max(passed)
            assert list(found.members) == members
            assert found.p_value == (1 + sum(draw >= share for draw in draws)) / 40
            assert (found.within, found.between) == pytest.approx((within, between))
            assert found.difference == pytest.approx(within - between)
            compared += 1
    assert compared > 3


@pytest.mark.parametrize(
    ("num_models", "noise", "effect", "number"),
    [
        (6, gaussian, 0.0, SHORT),
        (6, heavy, 0.0, SHORT),
        (4, gaussian, 3.0, SHORT),
        *(soak(*case) for case in product((4, 5, 6, 7, 8), (gaussian, heavy), (0.0, 3.0))),
    ],
)
def test_one_group_is_seldom_taken_for_two(num_models: int, noise: Noise, effect: float, number: int) -> None:
    generator = np.random.default_rng(num_models)

    def draw() -> Array:
        effects = effect * generator.normal(size=num_models)
        return study(generator, effects[:, None] + effects, noise, 1.0)

    share, deviation = share_found(number, draw)
    assert share <= 0.05 + 3 * deviation


@pytest.mark.parametrize(
    ("num_models", "scale", "number"),
    [(6, 0.001, SHORT), (6, 0.02, SHORT), *(soak(*case) for case in product((4, 5, 6, 7, 8), (0.001, 0.005, 0.02)))],
)
def test_good_and_bad_models_of_one_signal_are_one_group(num_models: int, scale: float, number: int) -> None:
    generator = np.random.default_rng(num_models)

    def draw() -> Array:
        # reliabilities that differ gradually, and those of two kinds of networks
        quality = generator.uniform(0.2, 0.9, num_models)
        if generator.uniform() < 0.5:
            quality = np.where(quality < 0.5, 0.4, 0.9)
        return study(generator, quality[:, None] * quality, gaussian, scale)

    assert share_found(number, draw)[0] <= 0.05


@pytest.mark.parametrize(
    ("sizes", "difference", "noise", "number"),
    [
        ((3, 3), 3.0, gaussian, SHORT),
        ((3, 3), 3.0, heavy, SHORT),
        *(
            soak(*case, noise)
            for case in (((3, 3), 3.0), ((4, 4), 2.3), ((2, 3), 5.5), ((2, 4), 5.0), ((2, 6), 6.0))
            for noise in (gaussian, heavy)
        ),
    ],
)
def test_two_planted_groups_are_found(sizes: tuple[int, int], difference: float, noise: Noise, number: int) -> None:
    generator = np.random.default_rng(0)

    def draw() -> Array:
        effects = generator.normal(size=sum(sizes))
        return study(generator, planted(*sizes, difference) + effects[:, None] + effects, noise, 1.0)

    share, deviation = share_found(number, draw)
    assert share >= 0.9 - 3 * deviation


def test_the_groups_are_those_that_were_planted_wherever_they_stand() -> None:
    generator = np.random.default_rng(0)
    for _ in range(10):
        group = generator.permutation([0, 0, 0, 1, 1, 1])
        matrix = study(generator, np.where(group[:, None] == group, 0.41, 0.22), gaussian, 0.01)
        found = groups_test(matrix)
        assert found is not None
        assert list(found.members) == sorted(np.flatnonzero(group == each).tolist() for each in (0, 1))
        assert found.p_value == 0.001
        assert (found.within, found.between) == pytest.approx((0.41, 0.22), abs=0.02)
        again = groups_test(3 * matrix - 1)
        assert again is not None
        assert again.members == found.members


def test_nothing_is_tested_without_four_models_all_pairs_and_a_split() -> None:
    assert groups_test(planted(1, 2, 1.0)) is None
    unknown = planted(3, 3, 1.0) + 0.1 * np.arange(6)[:, None] * np.arange(6)
    unknown[0, 3] = unknown[3, 0] = np.nan
    assert groups_test(unknown) is None
    # one agreement for all, and models that are good by themselves
    assert groups_test(np.full((6, 6), 0.3)) is None
    assert groups_test(np.zeros((6, 6))) is None
    assert groups_test(np.add.outer(np.arange(6) / 7, np.arange(6) / 7)) is None
    # the diagonal, and a group of one
    assert groups_test(np.where(np.eye(6, dtype=bool), 1.0, 0.3)) is None
    assert groups_test(planted(1, 5, 1.0)) is None


@pytest.mark.parametrize("function", [groups_test, linkage_order])
def test_what_is_no_matrix_of_pairs_is_refused(function: Callable[[Array], object]) -> None:
    with pytest.raises(ValueError, match=r"Expected `matrix` of shape \(k, k\), got \(3, 4\)"):
        function(np.zeros((3, 4)))
    with pytest.raises(ValueError, match="Expected `matrix` to be symmetric"):
        function(np.triu(np.ones((5, 5))))
    with pytest.raises(ValueError, match="Expected a matrix of 5 models for Gradient, got 4"):
        groups_sentences({"Gradient": np.eye(4)}, "abcde")


def test_the_order_unfolds_a_chain_of_models() -> None:
    place = np.random.default_rng(0).permutation(9)
    chain = np.exp(-np.abs(place[:, None] - place) / 3)
    order = linkage_order(chain)
    assert place[order].tolist() in ([*range(9)], [*range(8, -1, -1)])
    assert order[0] < order[-1]
    chain[2, 5] = chain[5, 2] = np.nan
    assert sorted(linkage_order(chain)) == [*range(9)]


def test_the_order_puts_groups_together_and_leaves_few_or_equal_models_alone() -> None:
    group = np.array([0, 1, 0, 1, 0, 1])
    order = linkage_order(np.where(group[:, None] == group, 0.4, 0.2))
    assert sorted(order[:3]) == [0, 2, 4]
    assert sorted(order[3:]) == [1, 3, 5]
    for few in range(3):
        assert linkage_order(np.full((few, few), 0.5)) == [*range(few)]
    assert sorted(linkage_order(np.full((5, 5), 0.5))) == [*range(5)]
    assert linkage_order(np.full((4, 4), np.nan)) == [*range(4)]


def test_sentences_name_the_methods_that_stand_after_a_correction_over_all() -> None:
    generator = np.random.default_rng(3)
    matrices = {
        "Gradient": study(generator, np.where(planted(3, 3, 1) > 0, 0.41, 0.22), gaussian, 0.01),
        "GradCAM": study(generator, np.full((6, 6), 0.3), gaussian, 0.01),
        "blank": np.full((6, 6), 1.0),
    }
    names = [f"seed {number}" for number in range(6)]
    found = {name: groups_test(matrix) for name, matrix in matrices.items()}
    corrected = holm([1.0 if groups is None else groups.p_value for groups in found.values()])
    assert corrected[0] == pytest.approx(0.003)
    assert groups_sentences(matrices, names) == {
        "Gradient": "Models seed 0, seed 1, seed 2 and models seed 3, seed 4, seed 5 explain differently (p = 0.003): "
        "agreement 0.41 within, 0.22 between; a mean over them describes neither."
    }
    # nine other methods make of 0.01 no finding, and few draws cannot show one
    assert groups_sentences(matrices, names, num_draws=19) == {}
    assert groups_sentences({}, names) == {}
    assert groups_sentence(Groups(([0, 2], [1, 3]), 0.012, 0.5, 0.25), list("abcd")) == (
        "Models a, c and models b, d explain differently (p = 0.012): "
        "agreement 0.50 within, 0.25 between; a mean over them describes neither."
    )
