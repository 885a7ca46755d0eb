"""Images that a loader has normalized, restored to [0, 1]."""

import pytest
import torch
from torch import Tensor, nn

from lightning_spx.evaluation import SaliencyEvaluator
from lightning_spx.evaluation.callbacks.restored_images import restore
from lightning_spx.models import Normalize
from lightning_spx.models.normalize import ZScore
from tests.evaluation.maps.explained_cases import MEAN, SCALE, images, normalized


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_images_that_were_scaled_are_restored(dtype: torch.dtype) -> None:
    restored = restore(normalized(images()).to(dtype), SCALE)
    assert restored.dtype == torch.float32
    tolerance = {torch.float32: 1e-6, torch.float64: 1e-6, torch.float16: 5e-4, torch.bfloat16: 4e-3}[dtype]
    torch.testing.assert_close(restored, images(), atol=tolerance, rtol=0)


def test_restored_images_are_scaled_as_before() -> None:
    given = normalized(images())
    torch.testing.assert_close(SCALE(restore(given, SCALE)), given, atol=1e-5, rtol=0)


def test_one_mean_serves_all_channels() -> None:
    scale = Normalize([0.5], [0.25])
    torch.testing.assert_close(scale(images()), (images() - 0.5) / 0.25)
    torch.testing.assert_close(restore((images() - 0.5) / 0.25, scale), images(), atol=1e-6, rtol=0)


def test_images_that_are_not_scaled_stay_as_they_are() -> None:
    torch.testing.assert_close(restore(images(), None), images(), atol=0, rtol=0)


@pytest.mark.parametrize("per_channel", [False, True])
def test_the_z_score_of_restored_images_is_the_loaders(per_channel: bool) -> None:
    layer = ZScore(per_channel)
    given = layer(images() * 0.3 + 0.2)
    restored = restore(given, layer)
    assert (float(restored.min()), float(restored.max())) == (0, 1)
    torch.testing.assert_close(layer(restored), given, atol=1e-5, rtol=0)


def test_rounding_beside_the_limits_is_cut_off() -> None:
    restored = restore(torch.tensor([-0.005, 0.5, 1.005]).view(1, 1, 1, 3), None)
    torch.testing.assert_close(restored.flatten(), torch.tensor([0.0, 0.5, 1.0]))


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ((0.5,), None, r"`mean` and `std` to be of equal length or both None, got \(0.5,\) and None"),
        (None, (0.5,), r"`mean` and `std` to be of equal length or both None, got None and \(0.5,\)"),
        (MEAN, (0.5,), "`mean` and `std` to be of equal length or both None"),
        (MEAN, (0.2, 0.0, 0.2), r"`std` to be positive, got \(0.2, 0.0, 0.2\)"),
        ((0.5,), (-1.0,), r"`std` to be positive, got \(-1.0,\)"),
        ((0.5,), (float("nan"),), r"`std` to be positive, got \(nan,\)"),
    ],
)
def test_a_normalization_that_is_none_is_refused(
    mean: tuple[float, ...] | None, std: tuple[float, ...] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=f"Expected {message}"):
        SaliencyEvaluator(mean=mean, std=std)


@pytest.mark.parametrize(
    ("scale", "given", "message"),
    [
        (None, normalized(images()), r"in \[0, 1\], got -2.* to 2.*those of the loader's normalization, so that"),
        (None, images() * 255, r"in \[0, 1\], got .* to 25.*those of the loader's normalization"),
        (SCALE, images() * 255, r"in \[0, 1\], got .*Set `mean` and `std` of SaliencyEvaluator to other ones"),
        (None, images() / 0, r"in \[0, 1\], got .* to inf"),
        (None, images() * float("nan"), r"in \[0, 1\], got nan to nan"),
    ],
    ids=["normalized", "bytes", "bytes and a normalization", "infinity", "NaN"],
)
def test_images_that_cannot_be_restored_are_refused(scale: nn.Module | None, given: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        restore(given, scale)


@pytest.mark.parametrize("channels", [1, 4])
def test_a_mean_for_other_channels_is_refused(channels: int) -> None:
    with pytest.raises(ValueError, match=f"`mean` and `std` to have {channels} numbers, .*, got 3"):
        restore(images(channels), SCALE)


def test_a_preprocess_that_the_loader_did_not_do_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected `preprocess` ZScore to be what the loader does to images"):
        restore(images(), ZScore())
