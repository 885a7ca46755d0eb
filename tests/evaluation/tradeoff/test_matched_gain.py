"""Gains at matched fidelity: over the best mixture of blurs, as slow searches and cases solved by hand have it."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from lightning_spx.evaluation.statistics.bootstrap import Array, bootstrap_weights
from lightning_spx.evaluation.statistics.trainings import Spread
from lightning_spx.evaluation.tradeoff.blur_front import best_excess, in_between, upper_hulls
from lightning_spx.evaluation.tradeoff.matched_gain import MatchedGain, matched_gains
from lightning_spx.evaluation.tradeoff.summary import Point, Row

NAN = float("nan")
NUM_RESAMPLES, NUM_STUDIES = 200, 80
# of blurs whose standard deviations halve: from a blank map to the pixel map, as stability and fidelity do in studies
WIDTHS = [16.0, 8.0, 4.0, 2.0, 1.0, 0.5]


def at(excess: float, fidelity: float) -> Point:
    return Point(np.array([excess]), np.array([fidelity]))


def best(fidelity: float, *blurs: Point) -> float:
    return float(best_excess(np.array([fidelity]), upper_hulls(blurs))[0])


def gains(points: dict[Row, Point], num_images: int = 50, same_order: bool = False) -> dict[Row, MatchedGain]:
    return matched_gains(points, dict.fromkeys(points, Spread(num_images)), same_order)


def blur(sigma: float, order: str = "after") -> Row:
    return f"control:blur(sigma={sigma:g})", order


def test_a_case_solved_by_hand() -> None:
    blurs = [at(0.8, 0.1), at(0.6, 0.3), at(0.2, 0.5), at(0.3, 0.2)]
    # left of the most stable blur nothing is gained by giving up more fidelity
    assert best(-5.0, *blurs) == 0.8
    assert best(0.1, *blurs) == 0.8
    # half of one and half of the other
    assert best(0.2, *blurs) == pytest.approx(0.7)
    assert best(0.3, *blurs) == 0.6
    assert best(0.4, *blurs) == pytest.approx(0.4)
    assert best(0.5, *blurs) == 0.2
    # nothing is as faithful
    assert best(0.6, *blurs) == 0.2
    # a blur below the line between its neighbors is passed over
    assert best(0.25, at(0.8, 0.0), at(0.1, 0.25), at(0.4, 0.5)) == pytest.approx(0.6)


def slow_best(fidelity: float, blurs: Array, steps: int = 500) -> float:
    """Search over all pairs and a fine grid of shares."""
    found = -np.inf
    share = np.linspace(0, 1, steps + 1)[:, None]
    for first in blurs:
        for second in blurs:
            mixed = share * first + (1 - share) * second
            found = max([found, *mixed[mixed[:, 1] >= fidelity - 1e-12, 0]])
    return float(found if np.isfinite(found) else blurs[blurs[:, 1] == blurs[:, 1].max(), 0].max())


def test_it_is_what_a_search_over_mixtures_finds() -> None:
    generator = np.random.default_rng(0)
    for _ in range(4):
        blurs = generator.normal(size=(4, 2))
        for fidelity in generator.normal(size=3):
            found = best(fidelity, *(at(*each) for each in blurs))
            slow = slow_best(fidelity, blurs)
            # the grid ends short of the best share
            assert slow - 1e-9 <= found <= slow + 2e-2


def test_it_is_the_upper_hull_of_scipy_in_every_resample() -> None:
    generator = np.random.default_rng(1)
    excess, fidelity = generator.normal(size=(2, 9, 40))
    points = [Point(*pair) for pair in zip(excess, fidelity, strict=True)]
    asked = generator.uniform(-1, 1, 40)
    found = best_excess(asked, upper_hulls(points))
    for draw in range(40):
        own = np.stack([fidelity[:, draw], excess[:, draw]], 1)
        # the quarter below and left of each point is no worse, so the hull falls from its highest point on
        corners = [[-9, own[:, 1].max()], [-9, -9], [own[:, 0].max(), -9]]
        hull = ConvexHull(np.concatenate([own, corners]))
        if asked[draw] > own[:, 0].max():
            assert found[draw] == own[own[:, 0].argmax(), 1]
            continue
        a, b, c = hull.equations.T
        upper = b > 1e-12
        assert found[draw] == pytest.approx(((-c - a * asked[draw])[upper] / b[upper]).min())


def made(seed: int = 0, num_images: int = 30) -> dict[Row, Point]:
    """Points of blurs in both orders, the pixel map and a row, in resamples of made images."""
    generator = np.random.default_rng(seed)
    weights = bootstrap_weights(num_images, NUM_RESAMPLES, seed) / num_images
    rows = [
        ("pixel", "either"),
        ("Slic", "after"),
        *(blur(each, order) for each in WIDTHS for order in ("after", "before")),
    ]
    values = generator.normal(size=(len(rows), 2, num_images))
    return {row: Point(*(each @ weights.T)) for row, each in zip(rows, values, strict=True)}


def test_a_blur_never_gains_over_the_blurs_and_those_on_the_hull_lose_nothing() -> None:
    found = gains(made())
    own = {row: gain for row, gain in found.items() if row[0] != "Slic"}
    assert all((gain.draws <= 1e-12).all() for gain in own.values())
    assert not any(gain.beyond for gain in own.values())
    assert any(gain.gain < -0.1 for gain in own.values())
    # one by one on a concave front: none between them
    few = {("pixel", "either"): at(0.1, 0.5), blur(4): at(0.6, 0.2), blur(4, "before"): at(0.4, 0.4)}
    assert [gain.gain for gain in gains(few).values()] == [0, 0, 0]


def test_another_blur_cannot_lower_the_hull() -> None:
    points = list(made(3).values())
    asked = made(4)["Slic", "after"].fidelity
    more, less = (best_excess(asked, upper_hulls(some)) for some in (points, points[:-3]))
    matched = asked <= np.max([point.fidelity for point in points[:-3]], 0)
    assert matched.sum() > 100
    assert (more >= less - 1e-12)[matched].all()
    assert (more > less + 1e-3)[matched].any()
    # beyond all blurs the hull ends lower with a more faithful one: the gain was a lower bound
    assert best(0.6, at(0.6, 0.2)) > best(0.6, at(0.6, 0.2), at(0.1, 0.5))


def test_widths_in_between_are_those_of_a_polynomial() -> None:
    generator = np.random.default_rng(0)
    cubic, other = generator.normal(size=(2, 4))
    place = np.log(WIDTHS)
    # a parabola at the ends, a cubic inside
    for degrees, inside in ((3, slice(None)), (4, slice(3, -3))):
        blurs = {
            width: at(float(np.polyval(cubic[-degrees:], each)), float(np.polyval(other[-degrees:], each)))
            for width, each in zip(WIDTHS, place, strict=True)
        }
        expected = np.concatenate([start + np.array([0.25, 0.5, 0.75]) * np.log(2) for start in sorted(place)[:-1]])
        found = in_between(blurs)
        assert len(found) == len(expected)
        for each, log_width in list(zip(found, expected, strict=True))[inside]:
            assert each.stability[0] == pytest.approx(np.polyval(cubic[-degrees:], log_width))
            assert each.fidelity[0] == pytest.approx(np.polyval(other[-degrees:], log_width))
    # of one blur there is nothing in between, and a missing number is missing there too
    assert in_between({1.0: at(0.5, 0.5)}) == []
    assert np.isnan(in_between({1.0: at(0.5, 0.5), 2.0: at(NAN, 0.5)})[0].stability[0])


def test_blurs_of_the_rows_own_order_and_both_for_a_row_of_either() -> None:
    points = {
        ("pixel", "either"): at(0.1, 0.5),
        ("Slic", "after"): at(0.5, 0.2),
        blur(4, "after"): at(0.4, 0.2),
        blur(4, "before"): at(0.7, 0.2),
    }
    every, same = gains(points), gains(points, same_order=True)
    assert every["Slic", "after"].gain == pytest.approx(-0.2)
    assert same["Slic", "after"].gain == pytest.approx(0.1)
    assert same[blur(4, "after")].gain == 0
    assert same["pixel", "either"].gain == every["pixel", "either"].gain == 0


def test_what_no_blur_matches_is_beyond_and_compared_with_the_most_faithful() -> None:
    points = {("pixel", "either"): at(0.1, 0.5), blur(4): at(0.6, 0.2), ("Slic", "after"): at(0.3, 0.6)}
    found = gains(points)
    assert found["Slic", "after"].beyond
    assert found["Slic", "after"].gain == pytest.approx(0.2)
    assert not found["pixel", "either"].beyond


def test_missing_numbers_make_a_missing_gain_and_missing_blurs_are_left_out() -> None:
    points = {
        ("pixel", "either"): at(0.1, 0.5), blur(4): at(0.6, 0.2), blur(2): at(NAN, 9.0), blur(1): at(9.0, NAN),
        ("A", "after"): at(0.5, NAN), ("B", "after"): at(NAN, 0.2), ("C", "after"): at(0.5, 0.2),
    }  # fmt: skip
    found = gains(points)
    for name in (("A", "after"), ("B", "after"), blur(2), blur(1)):
        assert np.isnan([found[name].gain, found[name].low, found[name].high]).all()
        assert not found[name].beyond
    assert found["C", "after"].gain == pytest.approx(-0.1)
    # all blurs of constant maps
    nothing = gains({("pixel", "either"): at(NAN, NAN), blur(4): at(NAN, NAN), ("C", "after"): at(0.5, 0.2)})
    assert np.isnan(nothing["C", "after"].gain)
    # in some resamples alone
    some = made()
    own = some["Slic", "after"]
    some["Slic", "after"] = Point(np.where(np.arange(len(own.stability)) % 2, own.stability, NAN), own.fidelity)
    some["Slic", "after"].stability[0] = own.stability[0]
    before, after = gains(made())["Slic", "after"], gains(some)["Slic", "after"]
    assert after.gain == before.gain
    assert np.isnan(after.draws).sum() == NUM_RESAMPLES // 2
    assert np.isfinite([after.low, after.high]).all()


def test_ties_one_blur_and_order_change_nothing() -> None:
    one = at(0.6, 0.2)
    assert [best(each, one) for each in (0.1, 0.2, 0.3)] == [0.6, 0.6, 0.6]
    assert [best(each, one, one) for each in (0.1, 0.2, 0.3)] == [0.6, 0.6, 0.6]
    # of two blurs as faithful as each other the more stable one counts, where nothing is more faithful too
    assert [best(each, one, at(0.4, 0.2)) for each in (0.1, 0.2, 0.3)] == [0.6, 0.6, 0.6]
    assert np.isnan(best(0.2))
    points = made(5)
    reversed_points = dict(reversed(points.items()))
    for row, gain in gains(points).items():
        np.testing.assert_allclose(gain.draws, gains(reversed_points)[row].draws, atol=1e-12)


def test_without_blurs_of_all_widths_there_are_no_gains() -> None:
    points = {("pixel", "either"): at(0.1, 0.5), ("Slic", "after"): at(0.5, 0.2)}
    assert gains({**points, ("control:blur(Slic)", "after"): at(0.5, 0.3)}) == {}


def front_of_blurs(sigma: float) -> tuple[float, float]:
    """Stability and fidelity of a blur, as they are in studies: both of a shape that has no corner."""
    narrow = 1 / (1 + (sigma / 3) ** 1.5)
    return 0.5 * (1 - narrow), 0.12 * narrow + 0.05 * np.exp(-(np.log(sigma / 1.5) ** 2) / 2)


def low_limit(row_at: tuple[float, float], seed: int, num_images: int = 100) -> float:
    """Lower limit of the gain of a row in a made study: images differ, and blurs of like widths go together."""
    generator = np.random.default_rng(seed)
    weights = bootstrap_weights(num_images, NUM_RESAMPLES, seed) / num_images
    names = [("Slic", "after"), *map(blur, WIDTHS)]
    levels = [row_at, *map(front_of_blurs, WIDTHS)]
    of_image = generator.normal(0, 0.1, (2, num_images))
    of_width = np.cumsum(generator.normal(0, 0.03, (len(WIDTHS), 2, num_images)), axis=0)
    # the row goes with the blur that is about as wide
    noise = np.concatenate([of_width[2:3] + generator.normal(0, 0.03, (1, 2, num_images)), of_width])
    values = np.asarray(levels)[:, :, None] + of_image + noise
    points = {name: Point(*(each @ weights.T)) for name, each in zip(names, values, strict=True)}
    return gains(points, num_images)["Slic", "after"].low


def test_blurs_of_widths_in_between_gain_in_at_most_a_twentieth_of_studies() -> None:
    found = []
    for first, second in pairwise(WIDTHS):
        row_at = front_of_blurs(float(np.sqrt(first * second)))
        found.append(sum(low_limit(row_at, seed) > 0 for seed in range(NUM_STUDIES)))
    # of each width and of all; a twentieth of all is what may be, and one more in a hundred is chance
    assert max(found) <= 0.08 * NUM_STUDIES, found
    assert sum(found) <= 0.05 * NUM_STUDIES * len(found), found


def test_a_planted_gain_is_found() -> None:
    stability, fidelity = front_of_blurs(4.0)
    found = [low_limit((stability + 0.06, fidelity), seed) > 0 for seed in range(NUM_STUDIES)]
    assert np.mean(found) > 0.9
