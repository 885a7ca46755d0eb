"""The regions of XRAI and their order, beside the authors' package, a slow loop and cases solved by hand."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.morphology import dilation
from torch import Tensor

from lightning_spx.attribution import XRAI, InputXGradient
from lightning_spx.attribution.xrai import published_segmenters
from lightning_spx.attribution.xrai_regions import Regions, region_map, region_order, regions_of
from lightning_spx.superpixels import Grid, Slic, Voronoi

HEIGHT, WIDTH = 34, 40


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


# sums of sixteenths are exact in any order, so that what is a tie here is one in the package
ATTRIBUTIONS = {
    "any": random(HEIGHT, WIDTH),
    "ties": random(HEIGHT, WIDTH).round().clamp(-1, 1),
    "constant": torch.full((HEIGHT, WIDTH), 0.5, dtype=torch.float64),
    "zero": torch.zeros(HEIGHT, WIDTH, dtype=torch.float64),
    "negative": -random(HEIGHT, WIDTH).abs() - 0.1,
    "sixteenths": (16 * random(HEIGHT, WIDTH)).round() / 16,
    "one pixel": torch.zeros(HEIGHT, WIDTH, dtype=torch.float64).index_fill(0, torch.tensor([3]), 1.0),
}
IMAGE = torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
GRID, CELLS, FINE = (each(IMAGE)[0] for each in (Grid(6), Voronoi(9), Slic(60)))
WHOLE = torch.zeros_like(GRID)
HALVES = (torch.arange(WIDTH) >= WIDTH // 2).long().expand(HEIGHT, WIDTH)
SEGMENTS = {
    "one map": GRID[None],
    "one region": WHOLE[None],
    # fewer than 50 pixels each: without dilation none is chosen
    "small": FINE[None],
    "overlapping": torch.stack([GRID, CELLS, FINE]),
    "nested": torch.stack([WHOLE, HALVES, GRID]),
    "twice the same": torch.stack([CELLS, CELLS]),
}


def masks_of(regions: Regions) -> NDArray[np.bool_]:
    masks: NDArray[np.bool_] = regions.membership[:, regions.atoms].numpy()
    return masks


def package() -> ModuleType:
    module: ModuleType = pytest.importorskip("saliency.core.xrai")
    return module


def ranks(order: list[int], values: NDArray[Any], masks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The numbers that the package gives regions: by falling value, from 1 on; pixels of none come last."""
    free = np.ones(values.shape, bool)
    parts = []
    for region in order:
        parts.append(masks[region] & free)
        free = free & ~masks[region]
    parts.sort(key=lambda part: -float(values[part][0]))
    result = np.full(values.shape, len(parts) + 1)
    for number, part in enumerate(parts):
        result[part] = number + 1
    return result


def assert_as_in_the_package(attribution: Tensor, segments: Tensor, dilation: int) -> None:
    regions = regions_of(segments, dilation)
    masks = masks_of(regions)
    expected, numbers = package().XRAI._xrai(attribution.numpy(), list(masks))
    result = region_map(attribution[None], regions)[0].numpy()
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12 * float(attribution.abs().max()))
    order = region_order(attribution[None], regions)[0].tolist()
    np.testing.assert_array_equal(ranks(order, result, masks), numbers)


@pytest.mark.parametrize("dilation", [0, 3])
@pytest.mark.parametrize("segments", SEGMENTS.values(), ids=SEGMENTS.keys())
@pytest.mark.parametrize("attribution", ATTRIBUTIONS.values(), ids=ATTRIBUTIONS.keys())
def test_maps_and_order_are_those_of_the_package(attribution: Tensor, segments: Tensor, dilation: int) -> None:
    assert_as_in_the_package(attribution, segments, dilation)


def photos(folder: Path, num: int, size: int) -> list[NDArray[np.uint8]]:
    from PIL import Image

    paths = sorted((folder / "imagenet" / "images").rglob("*.*"))
    chosen = paths[:: len(paths) // num][:num]
    return [np.asarray(Image.open(path).convert("RGB").resize((size, size))) for path in chosen]


@pytest.mark.real_data
def test_maps_of_photos_are_those_of_the_package(real_data: Path) -> None:
    for photo in photos(real_data, num=20, size=112):
        pixels = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None] / 255
        segments = torch.cat([segmenter(pixels) for segmenter in published_segmenters()])
        # what a gradient looks like: noise that is strong where the photo changes
        attribution = random(112, 112) * pixels[0].double().std(0).add(0.01)
        assert_as_in_the_package(attribution, segments, dilation=5)


@pytest.mark.real_data
def test_the_method_is_the_package_for_a_photo_that_this_neither_stretches_nor_scales(real_data: Path) -> None:
    # of 224 pixels and from black to white
    photo = next(each for each in photos(real_data, 40, size=224) if each.min() == 0 and each.max() == 255)
    pixels = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None] / 255
    segments = torch.cat([segmenter(pixels) for segmenter in published_segmenters()])
    masks = package()._get_segments_felzenszwalb(photo / 255)
    np.testing.assert_array_equal(masks_of(regions_of(segments, dilation=5)), np.stack(masks))
    weights = random(3, 224, 224).float()
    attribution = (pixels * weights)[0].permute(1, 2, 0).double().numpy()
    expected = package().XRAI().GetMask(photo / 255, None, base_attribution=attribution, segments=masks)
    method = XRAI(base=InputXGradient())
    found = method.attribute(lambda images: (images * weights).sum((1, 2, 3)), pixels, None)[0].sum(0)
    np.testing.assert_allclose(found.numpy(), expected - expected.min(), rtol=0, atol=1e-6 * expected.max())


def slow(values: Tensor, regions: Regions, least: int) -> tuple[Tensor, list[int]]:
    """The rules, one pixel and one region at a time."""
    membership = regions.membership[:, regions.atoms].flatten(1).tolist()
    pixels = values.flatten().tolist()
    free, order, result = set(range(len(pixels))), [], [0.0] * len(pixels)
    while True:
        best: tuple[float, int, set[int]] | None = None
        for region, members in enumerate(membership):
            new = {pixel for pixel in free if members[pixel]}
            if len(new) >= least:
                density = sum(pixels[pixel] for pixel in new) / len(new)
                if best is None or density > best[0]:
                    best = density, region, new
        if best is None:
            break
        order.append(best[1])
        free -= best[2]
        for pixel in best[2]:
            result[pixel] = best[0]
    for pixel in free:
        result[pixel] = sum(pixels[pixel] for pixel in free) / len(free)
    return torch.tensor(result).view(values.shape), order


@pytest.mark.parametrize("least", [1, 5, 12])
@pytest.mark.parametrize("seed", range(4))
def test_it_follows_the_rules_one_region_at_a_time(seed: int, least: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randint(-2, 3, (3, 9, 11), generator=generator).float()
    image = torch.rand(1, 3, 9, 11, generator=generator)
    regions = regions_of(torch.cat([Grid(6)(image), Slic(12)(image)]), dilation=seed % 3)
    maps, orders = region_map(values, regions, least), region_order(values, regions, least)
    for value, found, order in zip(values, maps, orders, strict=True):
        expected, steps = slow(value, regions, least)
        torch.testing.assert_close(found, expected)
        assert [region for region in order.tolist() if region >= 0] == steps


@pytest.mark.parametrize(
    ("least", "expected", "order"),
    [
        # the middle third is densest; then the first; the last is as dense as the rest of region 3, and comes first
        (1, [3.0, 3.0, 4.0, 4.0, 0.0, 0.0], [1, 0, 2]),
        # too few for the thirds, so that the second map is left
        (3, [4 / 3, 10 / 3, 10 / 3, 10 / 3, 4 / 3, 4 / 3], [4, 3]),
        (4, [14 / 6] * 6, []),
    ],
)
def test_a_case_solved_by_hand(least: int, expected: list[float], order: list[int]) -> None:
    values = torch.tensor([[[4.0, 2.0, 9.0, -1.0, 0.0, 0.0]]])
    regions = regions_of(torch.tensor([[[0, 0, 1, 1, 2, 2]], [[0, 1, 1, 1, 0, 0]]]), dilation=0)
    torch.testing.assert_close(region_map(values, regions, least), torch.tensor([[expected]]))
    assert region_order(values, regions, least).tolist() == [order]


@pytest.mark.parametrize("radius", [*range(7), 12])
def test_regions_are_masks_dilated_by_scikit_image(radius: int) -> None:
    segments = torch.stack([FINE, WHOLE, CELLS, FINE, HALVES])
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk = x**2 + y**2 <= radius**2
    expected = [dilation((each == label).numpy(), disk) for each in segments for label in range(int(each.max()) + 1)]
    # more than one word of 63 regions
    assert len(expected) > 66
    regions = regions_of(segments, radius)
    np.testing.assert_array_equal(masks_of(regions), np.stack(expected))
    # no two atoms are alike, and each has its pixels
    assert len({tuple(column) for column in regions.membership.T.tolist()}) == regions.membership.shape[1]
    assert torch.equal(regions.sizes, regions.atoms.flatten().bincount())


def test_maps_do_not_depend_on_the_maps_beside_them() -> None:
    regions = regions_of(SEGMENTS["overlapping"], dilation=2)
    together = torch.stack(list(ATTRIBUTIONS.values())).float()
    maps, orders = region_map(together, regions), region_order(together, regions)
    for attribution, found, order in zip(together, maps, orders, strict=True):
        alone = region_order(attribution[None], regions)[0]
        assert torch.equal(region_map(attribution[None], regions)[0], found)
        assert order[: len(alone)].equal(alone)
        assert bool((order[len(alone) :] == -1).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [0.1, -1 / 3, 1e-30, -3e38])
def test_equal_densities_are_equal_though_their_sums_are_rounded(value: float, dtype: torch.dtype) -> None:
    # the mean of equal float32 or float64 numbers depends on how many they are; then rounding would choose
    values = torch.full((1, HEIGHT, WIDTH), value, dtype=dtype)
    regions = regions_of(torch.stack([FINE, GRID]), dilation=0)
    assert region_order(values, regions, 1).tolist() == [list(range(int(FINE.max()) + 1))]
    precision = 1e-7 if dtype is torch.float32 else 1e-14
    torch.testing.assert_close(region_map(values, regions, 1), values, rtol=precision, atol=0)


@pytest.mark.parametrize("factor", [2.0**-100, 2.0**100])
def test_a_factor_of_the_attribution_is_one_of_the_map(factor: float) -> None:
    regions, values = regions_of(SEGMENTS["overlapping"], dilation=2), ATTRIBUTIONS["any"][None].float()
    assert torch.equal(region_map(values * factor, regions), region_map(values, regions) * factor)


def test_a_region_that_becomes_denser_follows_one_with_less() -> None:
    # without the middle, which was chosen before, the first half is denser than what was chosen
    values = torch.tensor([[[4.0, -2.0, 9.0]]])
    regions = regions_of(torch.tensor([[[0, 0, 1]], [[0, 1, 1]]]), dilation=0)
    regions = Regions(regions.atoms, regions.membership[[0, 3]], regions.sizes)
    assert region_order(values, regions, 1).tolist() == [[1, 0]]
    assert region_map(values, regions, 1).tolist() == [[[4.0, 3.5, 3.5]]]


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_is_refused(wrong: float) -> None:
    values = torch.zeros(3, HEIGHT, WIDTH)
    values[1, 2, 2] = wrong
    with pytest.raises(ValueError, match=r"Expected a finite `attribution`, got NaN .* at positions \[1\]"):
        region_map(values, regions_of(WHOLE[None], 0))


def test_what_does_not_fit_is_refused() -> None:
    regions = regions_of(WHOLE[None], 0)
    with pytest.raises(ValueError, match=r"shape \(M, H, W\) with the .* \(34, 40\), got \(1, 34, 41\)"):
        region_map(torch.zeros(1, HEIGHT, WIDTH + 1), regions)
    with pytest.raises(TypeError, match=r"floating point tensor, got torch.int64"):
        region_map(torch.zeros(1, HEIGHT, WIDTH, dtype=torch.int64), regions)
    with pytest.raises(ValueError, match="`min_new_pixels` to be at least 1, got 0"):
        region_map(torch.zeros(1, HEIGHT, WIDTH), regions, 0)
    with pytest.raises(ValueError, match="`dilation` to be at least 0, got -1"):
        regions_of(WHOLE[None], -1)
    with pytest.raises(ValueError, match=r"ids 0\.\.S-1 without gaps"):
        regions_of(2 * HALVES[None], 0)
    with pytest.raises(ValueError, match="at least one label map, got none"):
        regions_of(WHOLE[:0][None][:0].reshape(0, HEIGHT, WIDTH), 0)
