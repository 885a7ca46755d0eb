"""Partitions, nulls and the derangement."""

from pathlib import Path

import torch

from lightning_spx.evaluation.maps.guides import segment_images
from lightning_spx.evaluation.maps.pooling_lists import in_orders, make_poolings, pixel_pooling, with_controls
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.reporting.rows import is_control_of
from lightning_spx.superpixels import Cached, Grid, Slic, Voronoi, num_segments, segment_pool

CPU = torch.device("cpu")


def test_every_control_has_the_images_own_number_of_segments() -> None:
    images = torch.rand(4, 3, 16, 16)
    segments = segment_images({"Voronoi": Voronoi(13), "Grid": Grid(9)}, images, batch_size=3, device=CPU)
    poolings = make_poolings(segments, torch.arange(4), derangement(4, 0), seed=0)
    names = [pooling.name for pooling in poolings]
    controls = ["grid", "voronoi", "borrowed", "blur"]
    assert names == [
        "pixel",
        *("Voronoi", *(f"control:{control}(Voronoi)" for control in controls)),
        *("Grid", *(f"control:{control}(Grid)" for control in controls)),
    ]
    for pooling in poolings[1:]:
        (own,) = (name for name in segments if pooling.name == name or is_control_of(pooling.name, name))
        assert torch.equal(pooling.num_segments(), num_segments(segments[own]))
    assert poolings[0].num_segments().tolist() == [256] * 4


def test_pooling_uses_each_images_segments_for_every_model() -> None:
    images = torch.rand(4, 3, 16, 16)
    segments = segment_images({"Voronoi": Voronoi(13)}, images, batch_size=2, device=CPU)
    own = make_poolings(segments, torch.arange(4), derangement(4, 0), seed=0)[1]
    attributions = torch.randn(2, 4, 3, 16, 16)
    pooled = own.pool(attributions[:, 1:3].flatten(0, 1), "after", slice(1, 3)).view(2, 2, 3, 16, 16)
    for model in range(2):
        assert torch.equal(pooled[model], segment_pool(attributions[model, 1:3], segments["Voronoi"][1:3]))


def test_before_pools_absolute_values_and_every_other_order_signed_ones() -> None:
    segments = Voronoi(13)(torch.rand(2, 3, 16, 16))
    for pooling in with_controls("Voronoi", segments, segments.flip(0), torch.arange(2), seed=0):
        attribution = torch.randn(2, 3, 16, 16)
        assert torch.equal(pooling.pool(attribution, "before"), pooling.pool(attribution.abs(), "after"))
        assert torch.equal(pooling.pool(attribution, "either"), pooling.pool(attribution, "after"))
        assert not torch.equal(pooling.pool(attribution, "before"), pooling.pool(attribution, "after"))


def test_rows_are_poolings_in_the_orders_that_differ() -> None:
    pixel, own = pixel_pooling(torch.zeros(1, 4, 4)), Pooling("Grid", "segments", Grid(4)(torch.rand(1, 3, 4, 4)))
    signed = in_orders([pixel, own], ["after", "before"], non_negative=False)
    assert [(pooling.name, order) for pooling, order in signed] == [
        ("pixel", "either"),
        ("Grid", "after"),
        ("Grid", "before"),
    ]
    unsigned = in_orders([pixel, own], ["after", "before"], non_negative=True)
    assert [(pooling.name, order) for pooling, order in unsigned] == [("pixel", "either"), ("Grid", "either")]


def test_cached_segments_of_a_known_source_are_found_by_their_places(tmp_path: Path) -> None:
    images = torch.rand(3, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    segmenters = {"cached": Cached(Slic(n_segments=4), tmp_path), "grid": Grid(4)}
    index = torch.tensor([5, 9, 7])
    found = segment_images(segmenters, images, 2, CPU, "photos test", index)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"5.segments", "9.segments", "7.segments"}
    assert torch.equal(found["cached"], Slic(n_segments=4)(images))
    assert torch.equal(found["grid"], Grid(4)(images))
    again = segment_images(segmenters, images[[2, 0]], 1, CPU, "photos test", index[[2, 0]])
    assert torch.equal(again["cached"], found["cached"][[2, 0]])
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 3
    # photos without a place are known by their pixels
    segment_images(segmenters, images, 2, CPU)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 6
