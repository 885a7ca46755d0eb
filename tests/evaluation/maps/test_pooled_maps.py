"""Maps of segments as one value for each, against the same maps made pixel by pixel."""

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_spx.attribution import magnitude, saliency_map
from lightning_spx.evaluation.maps.pooled_maps import PooledMaps
from lightning_spx.evaluation.maps.pooling_lists import make_poolings
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.superpixels import Grid, Slic, blur_like, segment_pool
from lightning_spx.superpixels import blur as blurs
from lightning_spx.superpixels import pooling as pools


def attributions(models: int = 3) -> Tensor:
    values = torch.randn(models, 4, 2, 20, 30, generator=torch.Generator().manual_seed(0))
    values[1, 2] = 0.0  # a constant map
    values[0, 1] = 0.25
    return values


def poolings() -> list[Pooling]:
    images = torch.rand(4, 3, 5, 6, generator=torch.Generator().manual_seed(1))
    images = torch.nn.functional.interpolate(images, size=(20, 30), mode="bilinear")
    segments = torch.cat([Slic(n_segments=n)(images[place, None]) for place, n in enumerate((3, 12, 12, 40))])
    return make_poolings({"Slic": segments}, torch.arange(4), np.array([1, 2, 3, 0]), seed=0)


@pytest.mark.parametrize("order", ["after", "before"])
@pytest.mark.parametrize("number", range(6))
def test_values_are_those_of_the_maps_pixel_by_pixel(number: int, order: str) -> None:
    pooling, given = poolings()[number], attributions()
    images = torch.tensor([3, 0, 0])  # as items have them
    maps = PooledMaps.of([given[:, images], -2 * given[:, images]], pooling, order, images)
    for place, each in enumerate([*given, *(-2 * given)]):
        signed = each[images].abs() if order == "before" else each[images]
        own = pooling.segments[images]
        if pooling.kind == "segments":
            signed = segment_pool(signed, own)
        elif pooling.kind == "blur":
            signed = blur_like(signed, own)
        assert torch.equal(maps.on_pixels(maps.magnitude[place]), magnitude(signed))
        torch.testing.assert_close(maps.on_pixels(maps.saliency[place]), saliency_map(signed), rtol=0, atol=1e-6)


def test_compiled_loops_give_what_tensors_give(monkeypatch: pytest.MonkeyPatch) -> None:
    given, pooling = attributions(), poolings()
    compiled = [each.values(given, order, slice(None)) for each in pooling for order in ("after", "before")]
    monkeypatch.setattr(pools, "_compiled", lambda: None)
    monkeypatch.setattr(blurs, "_compiled", lambda: None)
    tensors = [each.values(given, order, slice(None)) for each in pooling for order in ("after", "before")]
    for one, other in zip(compiled, tensors, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_a_batch_gives_what_each_image_gives_alone() -> None:
    given = attributions()
    for pooling in poolings():
        whole = PooledMaps.of([given], pooling, "after", slice(None))
        for image in range(4):
            alone = PooledMaps.of([given[:, image, None]], pooling, "after", slice(image, image + 1))
            assert torch.equal(alone.on_pixels(alone.saliency)[:, 0], whole.on_pixels(whole.saliency)[:, image])


def test_a_nan_is_refused_and_named() -> None:
    given = attributions()
    given[2, 1, 0, 0, 0] = torch.nan
    segments = Grid(4)(torch.rand(4, 3, 20, 30))
    with pytest.raises(ValueError, match=r"Expected a finite `attribution`, got NaN or infinity"):
        PooledMaps.of([given], Pooling("Grid", "segments", segments), "after", slice(None))


@pytest.mark.parametrize("wrong", [-1, 7, 10**6])
def test_segments_that_break_their_contract_are_refused_before_they_are_pooled(wrong: int) -> None:
    segments = Grid(4)(torch.rand(4, 3, 20, 30))
    segments[2, 3, 4] = wrong
    pooling = Pooling("mine", "segments", segments)
    with pytest.raises(ValueError, match=r"Expected `segments` to hold ids 0\.\.S-1 without gaps"):
        pooling.pool(attributions()[0], "after")
    with pytest.raises(ValueError, match=r"Expected `segments` to hold ids 0\.\.S-1 without gaps"):
        PooledMaps.of([attributions()], pooling, "after", slice(None))
