import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from lightning_spx.superpixels import Slic, blur_like, num_segments


def by_scipy(attribution: Tensor, segments: Tensor) -> Tensor:
    blurred = np.empty(attribution.shape, dtype=np.float64)
    height, width = segments.shape[1:]
    for image, labels in enumerate(segments):
        sigma = math.sqrt(height * width / (4 * math.pi * len(labels.unique())))
        for channel, values in enumerate(attribution[image].double().numpy()):
            blurred[image, channel] = gaussian_filter(values, sigma, mode="reflect", truncate=4)
    return torch.from_numpy(blurred).float()


def stripes(count: int, height: int, width: int) -> Tensor:
    return (torch.arange(height * width) * count // (height * width)).view(1, height, width)


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize(
    ("count", "height", "width"),
    [
        (1, 20, 20),
        (1, 9, 31),
        (2, 3, 50),
        (7, 16, 16),
        (59, 32, 32),
        (150, 100, 80),
        (1024, 32, 32),
        (1, 1, 40),
        (3, 40, 1),
    ],
)
def test_the_blur_is_scipys(count: int, height: int, width: int) -> None:
    attribution, segments = noise(1, 3, height, width), stripes(count, height, width)
    assert int(num_segments(segments)) == count
    torch.testing.assert_close(blur_like(attribution, segments), by_scipy(attribution, segments), rtol=0, atol=1e-6)


def test_each_image_has_its_own_width(images: Tensor) -> None:
    segments = torch.cat([Slic(n_segments=n)(images[:1]) for n in (5, 40, 40, 200)])
    assert len(set(num_segments(segments).tolist())) == 3
    attribution = noise(4, 2, 37, 29)
    blurred = blur_like(attribution, segments)
    torch.testing.assert_close(blurred, by_scipy(attribution, segments), rtol=0, atol=1e-6)
    for image in range(4):
        alone = blur_like(attribution[image, None], segments[image, None])[0]
        torch.testing.assert_close(alone, blurred[image], rtol=0, atol=1e-7)


def test_a_constant_stays_and_the_sum_is_kept() -> None:
    segments = stripes(5, 23, 17)
    torch.testing.assert_close(blur_like(torch.full((1, 1, 23, 17), 0.3), segments), torch.full((1, 1, 23, 17), 0.3))
    attribution = noise(1, 3, 23, 17)
    total = blur_like(attribution, segments).sum((2, 3))
    torch.testing.assert_close(total, attribution.sum((2, 3)), rtol=0, atol=1e-4)


def test_one_pixel_and_no_image() -> None:
    assert blur_like(torch.tensor([[[[3.0]]]]), torch.tensor([[[0]]])).item() == 3
    assert blur_like(torch.empty(0, 3, 4, 5), torch.empty(0, 4, 5, dtype=torch.int64)).shape == (0, 3, 4, 5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_result_is_float32_from_any_float(dtype: torch.dtype) -> None:
    attribution, segments = noise(1, 3, 16, 16).to(dtype), stripes(9, 16, 16)
    blurred = blur_like(attribution, segments)
    assert blurred.dtype == torch.float32
    torch.testing.assert_close(blurred, by_scipy(attribution, segments), rtol=0, atol=1e-6)


def test_autocast_and_inference_mode_change_nothing() -> None:
    attribution, segments = noise(1, 3, 16, 16), stripes(9, 16, 16)
    expected = blur_like(attribution, segments)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(blur_like(attribution, segments), expected)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match="`attribution` to be a floating point tensor"):
        blur_like(torch.zeros(1, 1, 2, 2, dtype=torch.int64), stripes(1, 2, 2))
    with pytest.raises(ValueError, match=r"got \(1, 1, 3, 2\) and \(1, 2, 2\)"):
        blur_like(torch.zeros(1, 1, 3, 2), stripes(1, 2, 2))
    with pytest.raises(ValueError, match="without gaps"):
        blur_like(torch.zeros(1, 1, 2, 2), stripes(1, 2, 2) + 1)
