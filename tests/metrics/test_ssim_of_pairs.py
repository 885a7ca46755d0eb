"""SSIM of pairs of maps that are constant on segments, against the same maps pixel by pixel."""

from itertools import combinations

import pytest
import torch
from torch import Tensor

from lightning_spx.metrics import ssim
from lightning_spx.metrics.ssim import pairwise_ssim, saliency_ssim, ssim_of_pairs

PAIRS = [(0, 1), (2, 0), (1, 1)]


def stripes_and_specks(height: int, width: int, seed: int) -> Tensor:
    """Return segments of two images: large ones of any shape, with single pixels of other segments in them."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 6, (2, 1, -(-height // 9), -(-width // 13)), generator=generator).float()
    segments = torch.nn.functional.interpolate(coarse, size=(height, width))[:, 0].long()
    specks = torch.rand(2, height, width, generator=generator) > 0.98
    segments = torch.where(specks, 6, segments)
    segments[1].clamp_(max=4)
    return segments


def values(segments: Tensor, count: int = 3) -> Tensor:
    shape = (count, len(segments), int(segments.max()) + 1)
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def on_pixels(maps: Tensor, segments: Tensor) -> Tensor:
    ids = segments.flatten(1).expand(len(maps), -1, -1)
    return maps.gather(2, ids).view(len(maps), *segments.shape)


@pytest.mark.parametrize("size", [(11, 11), (12, 31), (34, 35), (97, 45), (60, 224)])
def test_values_of_segments_have_the_ssim_of_their_pixels(size: tuple[int, int]) -> None:
    segments = stripes_and_specks(*size, seed=0)
    maps = values(segments)
    pixels = on_pixels(maps, segments)
    expected = torch.stack([saliency_ssim(pixels[i], pixels[j]) for i, j in PAIRS])
    torch.testing.assert_close(ssim_of_pairs(maps, PAIRS, segments), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(ssim_of_pairs(pixels, PAIRS), expected, rtol=0, atol=1e-7)


def test_the_compiled_loops_give_what_tensors_give(monkeypatch: pytest.MonkeyPatch) -> None:
    segments = stripes_and_specks(40, 70, seed=2)
    maps = values(segments)
    compiled = ssim_of_pairs(maps, PAIRS, segments)
    monkeypatch.setattr(ssim, "_compiled", lambda: None)
    monkeypatch.setattr(ssim, "_compiled_on_segments", lambda: None)
    torch.testing.assert_close(ssim_of_pairs(maps, PAIRS, segments), compiled, rtol=0, atol=1e-6)


def test_equal_maps_of_segments_have_exactly_one_and_constants_what_is_left() -> None:
    segments = stripes_and_specks(40, 40, seed=3)
    maps = values(segments)
    assert ssim_of_pairs(maps, [(0, 0)], segments).tolist() == [[1.0, 1.0]]
    constants = torch.stack([torch.zeros_like(maps[0]), torch.ones_like(maps[0])])
    assert ssim_of_pairs(constants, [(0, 1)], segments)[0, 0].item() == pytest.approx(1e-4 / (1 + 1e-4), rel=1e-6)


def test_a_nan_makes_only_its_own_image_and_pairs_nan() -> None:
    segments = stripes_and_specks(40, 40, seed=4)
    maps = values(segments)
    maps[2, 1, 0] = torch.nan
    assert ssim_of_pairs(maps, PAIRS, segments).isnan().tolist() == [[False, False], [False, True], [False, False]]


@pytest.mark.parametrize("size", [(10, 40), (40, 10)])
def test_images_without_a_whole_window_are_refused(size: tuple[int, int]) -> None:
    segments = torch.zeros(1, *size, dtype=torch.int64)
    for given in (segments, None):
        maps = values(segments) if given is not None else torch.zeros(3, 1, *size)
        with pytest.raises(ValueError, match="Expected maps of at least 11x11 px for SSIM"):
            ssim_of_pairs(maps, PAIRS, given)


def test_small_segments_are_compared_by_pixel() -> None:
    segments = torch.arange(24 * 24).view(1, 24, 24)
    maps = values(segments)
    every = list(combinations(range(3), 2))
    assert torch.equal(ssim_of_pairs(maps, every, segments), pairwise_ssim(on_pixels(maps, segments)))
