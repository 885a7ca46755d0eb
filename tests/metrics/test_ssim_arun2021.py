"""The SSIM of studies of medical images, against scikit-image with the settings of that time."""

from collections.abc import Callable
from typing import cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage import metrics
from torch import Tensor

from lightning_spx.metrics import SaliencySSIM, saliency_ssim, ssim_arun2021
from lightning_spx.metrics.ssim import PairPreset, pairwise_ssim

# scikit-image states no types for it
structural_similarity: Callable[..., float] = metrics.structural_similarity


def drawn(*shape: int, seed: int = 0) -> Tensor:
    """Maps of heavy-tailed magnitudes, of a scale of their own."""
    generator = torch.Generator().manual_seed(seed)
    scales = torch.logspace(-6, 6, shape[-3])[:, None, None]
    return torch.randn(shape, generator=generator).abs() ** 3 * scales


def reference(first: Tensor, second: Tensor) -> float:
    def over_maximum(one: Tensor) -> NDArray[np.float64]:
        values = one.double().numpy()
        return values / values.max() if values.max() > 0 else values

    return float(
        structural_similarity(
            over_maximum(first), over_maximum(second), win_size=7, data_range=2, use_sample_covariance=True
        )
    )


def references(first: Tensor, second: Tensor) -> Tensor:
    return torch.tensor([reference(a, b) for a, b in zip(first, second, strict=True)], dtype=torch.float32)


@pytest.mark.parametrize("size", [(7, 7), (8, 31), (32, 32), (97, 45)])
def test_equals_scikit_image(size: tuple[int, int]) -> None:
    first, noise = drawn(5, *size), drawn(5, *size, seed=1)
    for second in (noise, first + 0.3 * noise, (noise > noise.mean()).float()):
        found = saliency_ssim(first, second, "arun2021")
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, references(first, second), atol=1e-6, rtol=0)


def test_pairs_of_models_equal_scikit_image() -> None:
    maps, others = drawn(4, 5, 12, 17), drawn(4, 5, 12, 17, seed=1)
    pairs = [(i, j) for i in range(4) for j in range(i + 1, 4)]
    among = torch.stack([references(maps[i], maps[j]) for i, j in pairs])
    torch.testing.assert_close(pairwise_ssim(maps, preset="arun2021"), among, atol=1e-6, rtol=0)
    across = torch.stack([references(maps[i], others[j]) for i, j in pairs])
    torch.testing.assert_close(pairwise_ssim(maps, others, preset="arun2021"), across, atol=1e-6, rtol=0)
    assert pairwise_ssim(maps[:1], preset="arun2021").shape == (0, 5)


def test_the_scale_of_a_map_does_not_count() -> None:
    first, second = drawn(3, 16, 16), drawn(3, 16, 16, seed=1)
    expected = saliency_ssim(first, second, "arun2021")
    assert torch.equal(saliency_ssim(first * 2**20, second / 2**20, "arun2021"), expected)
    assert torch.equal(saliency_ssim(second, first, "arun2021"), expected)


def test_equal_maps_have_exactly_one_and_blank_maps_are_equal() -> None:
    maps, zeros, ones = drawn(3, 16, 16), torch.zeros(1, 16, 16), torch.ones(1, 16, 16)
    assert saliency_ssim(maps, maps, "arun2021").tolist() == [1.0] * 3
    assert saliency_ssim(zeros, zeros, "arun2021").item() == 1.0
    assert saliency_ssim(zeros, ones, "arun2021").item() == pytest.approx(4e-4 / (1 + 4e-4), rel=1e-6)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_is_not_finite_stays_in_its_image(value: float) -> None:
    first, second = drawn(4, 12, 12), drawn(4, 12, 12, seed=1)
    clean = saliency_ssim(first, second, "arun2021")
    first[1, 0, 0], second[3, 11, 11] = value, value
    values = saliency_ssim(first, second, "arun2021")
    assert values.isnan().tolist() == [False, True, False, True]
    assert torch.equal(values[[0, 2]], clean[[0, 2]])


def test_result_does_not_depend_on_the_batch_or_on_how_many_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = drawn(2, 9, 12, 14)
    whole = saliency_ssim(first, second, "arun2021")
    alone = torch.cat([saliency_ssim(a[None], b[None], "arun2021") for a, b in zip(first, second, strict=True)])
    monkeypatch.setattr(ssim_arun2021, "IMAGES_AT_ONCE", 2)
    assert torch.equal(whole, alone)
    assert torch.equal(whole, saliency_ssim(first, second, "arun2021"))
    assert saliency_ssim(first[:0], second[:0], "arun2021").shape == (0,)


def test_it_can_be_differentiated() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = 0.1 + torch.rand(2, 2, 8, 9, dtype=torch.float64, generator=generator)
    assert torch.autograd.gradcheck(
        lambda maps: ssim_arun2021.arun2021_values(maps[None], second[None], [(0, 0)]), first.requires_grad_()
    )


def test_the_metric_takes_maps_with_and_without_a_channel() -> None:
    first, second = drawn(6, 12, 12), drawn(6, 12, 12, seed=1)
    metric = SaliencySSIM(preset="arun2021")
    metric.update(first[:2], second[:2])
    metric.update(first[2:, None], second[2:, None])
    torch.testing.assert_close(metric.compute(), references(first, second).mean(), atol=1e-6, rtol=0)


def test_wrong_maps_are_refused() -> None:
    maps = torch.rand(2, 2, 9, 9)
    maps[1, 0, 3, 3] = -0.5
    calls: list[tuple[Callable[[], Tensor], str]] = [
        (lambda: saliency_ssim(maps[1], maps[0], "arun2021"), "saliency"),
        (lambda: saliency_ssim(maps[0], maps[1], "arun2021"), "reference"),
        (lambda: pairwise_ssim(maps, preset="arun2021"), "saliency"),
    ]
    for call, name in calls:
        with pytest.raises(ValueError, match=rf"Expected `{name}` to be non-negative .*, got -0\.5: take magnitudes"):
            call()
    with pytest.raises(ValueError, match=r"at least 7x7 px for SSIM, got \(6, 9\)"):
        saliency_ssim(maps[0, :, :6], maps[0, :, :6], "arun2021")
    with pytest.raises(ValueError, match=r"Expected `saliency` of shape \(N,H,W\), got \(2, 9\)"):
        saliency_ssim(maps[0, 0, :2], maps[0, 0, :2], "arun2021")
    with pytest.raises(ValueError, match=r"Expected `preset` of pairs to be one of .*, got 'signed'"):
        pairwise_ssim(maps, preset=cast(PairPreset, "signed"))
