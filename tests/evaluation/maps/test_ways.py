"""Ways in which a study sees a method: over its own segments and over those of its controls."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_spx.attribution import (
    XRAI,
    Attribution,
    FeatureAblation,
    Gradient,
    InputXGradient,
    KernelShap,
    SegmentAttribution,
)
from lightning_spx.evaluation.maps.pooling_lists import make_poolings
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.evaluation.maps.segmented_images import SegmentedImages
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.evaluation.maps.ways import as_given, has_one_order, num_maps, ways_of
from lightning_spx.evaluation.statistics.comparison import ComparisonSettings, each_pooling
from lightning_spx.evaluation.statistics.image_facts import ImageFacts
from lightning_spx.superpixels import Grid, Segmenter, Slic, grid_like, voronoi_like

NUM, SIDE = 4, 16
PERMUTATION = derangement(NUM, 0)
INDEX = torch.tensor([3, 5, 8, 13])
CONTROLS = ["control:grid(own segments)", "control:voronoi(own segments)", "control:borrowed(own segments)"]
SCALES: tuple[Segmenter, ...] = (Slic(n_segments=9), Slic(n_segments=20))
RANKING = XRAI(SCALES, InputXGradient(), dilation=1, min_new_pixels=2)
SHAPLEY = SegmentAttribution(KernelShap(num_samples=40), Slic(n_segments=9))


def images() -> Tensor:
    coarse = torch.rand(NUM, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    return nn.functional.interpolate(coarse, SIDE, mode="bilinear")


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    layers = nn.Conv2d(3, 4, 5, padding=2), nn.Tanh(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)
    return nn.Sequential(*layers).eval()


def segmented() -> SegmentedImages:
    return SegmentedImages(images(), INDEX, PERMUTATION, seed=7)


def of_study() -> list[Pooling]:
    return make_poolings({"Grid": Grid(9)(images())}, INDEX, PERMUTATION, seed=7)


def facts() -> ImageFacts:
    return ImageFacts(INDEX, torch.zeros(NUM).long(), torch.zeros(2, NUM).long(), None, PERMUTATION)


def test_a_method_without_segments_has_the_poolings_of_the_study() -> None:
    poolings = of_study()
    (way,) = ways_of(Gradient(), poolings, segmented())
    assert way.method == Gradient()
    assert way.segments is None
    assert all(a is b for a, b in zip(way.poolings, poolings, strict=True))
    assert num_maps(Gradient()) == 1
    assert not has_one_order(Gradient())


def test_a_perturbation_explains_over_its_own_and_over_three_other_segmentations() -> None:
    ways = ways_of(SHAPLEY, of_study(), segmented())
    assert [way.poolings[0].name for way in ways] == ["own segments", *CONTROLS]
    own = Slic(n_segments=9)(images())
    expected = [own, grid_like(own), voronoi_like(own, 7, INDEX), own[torch.from_numpy(PERMUTATION)]]
    for way, segments in zip(ways, expected, strict=True):
        assert way.segments is not None
        assert torch.equal(way.segments[:, 0], segments)
        assert torch.equal(way.poolings[0].segments, segments)
        assert len(way.poolings) == 1
    assert num_maps(SHAPLEY) == 2 * len(ways)
    assert has_one_order(SHAPLEY)


def test_xrai_explains_once_and_ranks_four_times() -> None:
    (way,) = ways_of(RANKING, of_study(), segmented())
    assert way.method == InputXGradient()
    assert num_maps(RANKING) == 1
    assert has_one_order(RANKING)
    assert [pooling.name for pooling in way.poolings] == ["own segments", *CONTROLS]
    target = torch.tensor([0, 1, 2, 0])
    base = torch.stack([way.method.attribute(network(seed), images(), target) for seed in (1, 2)])
    own = [each(images()) for each in SCALES]
    lenders = torch.from_numpy(PERMUTATION)
    for pooling, maps in zip(
        way.poolings,
        (
            own,
            [grid_like(each) for each in own],
            [voronoi_like(each, 7 + level, INDEX) for level, each in enumerate(own)],
            [each[lenders] for each in own],
        ),
        strict=True,
    ):
        ranked = pooling.pool(base.flatten(0, 1), "either").view(2, NUM, SIDE, SIDE)
        for number, seed in enumerate((1, 2)):
            expected = RANKING.attribute_over(network(seed), images(), target, torch.stack(maps, 1)).sum(1)
            torch.testing.assert_close(ranked[number], expected)
        # what tables call the number of segments is that of the regions
        assert pooling.num_segments().tolist() == [sum(int(each[n].max()) + 1 for each in maps) for n in range(NUM)]


def test_ranking_some_images_is_ranking_all_and_choosing() -> None:
    (way,) = ways_of(RANKING, of_study(), segmented())
    pooling, maps = way.poolings[0], torch.randn(2, NUM, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    whole = pooling.values(maps, "either")
    assert torch.equal(pooling.values(maps[:, 1:3], "either", slice(1, 3)), whole[:, 1:3])
    # as items do, several of one image
    chosen = torch.tensor([2, 2, 0])
    assert torch.equal(pooling.values(maps[:, chosen], "either", chosen), whole[:, chosen])


def test_maps_as_given_are_those_of_the_method() -> None:
    target = torch.tensor([0, 1, 2, 0])
    for method in (SHAPLEY, RANKING):
        way = ways_of(method, of_study(), segmented())[0]
        if way.segments is None:
            explained = way.method.attribute(network(1), images(), target)
        else:
            explained = method.attribute_over(network(1), images(), target, way.segments)
        given = as_given(explained[None], way.poolings[0], torch.arange(NUM))[0]
        torch.testing.assert_close(given.sum(1), method.attribute(network(1), images(), target).sum(1))


def test_a_segmenter_is_asked_once() -> None:
    asked: list[int] = []

    @dataclass(frozen=True)
    class Noting(Segmenter):
        n_segments: int

        def __call__(self, given: Tensor) -> Tensor:
            asked.append(self.n_segments)
            return Slic(n_segments=self.n_segments)(given)

    known = segmented()
    for method in (
        SegmentAttribution(KernelShap(num_samples=40), Noting(9)),
        XRAI((Noting(9), Noting(20)), InputXGradient()),
        SegmentAttribution(FeatureAblation(), Noting(9)),
    ):
        ways_of(method, of_study(), known)
    assert asked == [9, 20]


@pytest.mark.parametrize("method", [SHAPLEY, RANKING])
def test_nulls_of_maps_by_own_segments(method: Attribution) -> None:
    """Values of segments are permuted over segments; XRAI ranks permuted pixels."""
    way = ways_of(method, of_study(), segmented())[0]
    target, others = torch.zeros(NUM).long(), None
    if way.segments is None:
        maps = torch.stack([way.method.attribute(network(seed), images(), target) for seed in (1, 2)])
    else:
        maps = torch.stack([SHAPLEY.attribute_over(network(seed), images(), target, way.segments) for seed in (1, 2)])
        lent = images()[torch.from_numpy(PERMUTATION)]
        others = torch.stack([SHAPLEY.attribute_over(network(seed), lent, target, way.segments) for seed in (1, 2)])
    settings = ComparisonSettings(["after"], has_one_order=True, seed=5, model_offset=3)
    compared = next(each_pooling(maps, way.poolings, facts(), settings, mismatched=others))
    own, permuted, mismatched = compared.maps.on_pixels(compared.maps.magnitude).view(3, 2, NUM, SIDE, SIDE)
    for model in range(2):
        for image in range(NUM):
            segments = way.poolings[0].segments[image]
            draw = np.random.default_rng([5, 3 + model, int(INDEX[image])])
            if way.segments is None:
                order = torch.from_numpy(draw.permutation(SIDE * SIDE))
                shuffled = maps[model, image].flatten(1)[:, order].view(1, 1, 3, SIDE, SIDE)
                expected = RANKING.rank(shuffled, [way.poolings[0].regions[image]])[0, 0]
                other = maps[model, PERMUTATION[image]][None, None]
                ranked = RANKING.rank(other, [way.poolings[0].regions[image]])[0, 0]
                torch.testing.assert_close(mismatched[model, image], ranked)
            else:
                values = [own[model, image][segments == each][0] for each in range(int(segments.max()) + 1)]
                expected = torch.empty(SIDE, SIDE)
                for each, lender in enumerate(draw.permutation(len(values)).tolist()):
                    expected[segments == each] = values[lender]
                # another image over this image's segments
                assert others is not None
                torch.testing.assert_close(mismatched[model, image], others[model, image].abs().sum(0))
            torch.testing.assert_close(permuted[model, image], expected)
