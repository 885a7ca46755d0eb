"""Localization: against SciPy, loops, and cases solved by hand."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu
from torch import Tensor

from lightning_spx.metrics import (
    AUPRC,
    MaskAUC,
    MassAccuracy,
    PointingGame,
    mask_auc,
    mask_auprc,
    mass_accuracy,
    pointing_game,
)

Function = Callable[[Tensor, Tensor], Tensor]
FUNCTIONS = [mass_accuracy, pointing_game, mask_auc, mask_auprc]


def maps(num_images: int = 12, levels: int = 5) -> tuple[Tensor, Tensor]:
    """Maps full of ties, as pooled ones are, with masks of all sizes."""
    draw = torch.Generator().manual_seed(0)
    saliency = torch.randint(0, levels, (num_images, 9, 11), generator=draw).float() / levels
    mask = torch.rand(num_images, 9, 11, generator=draw) < torch.linspace(0.1, 0.9, num_images)[:, None, None]
    return saliency, mask


def test_mass_accuracy_is_that_of_a_loop() -> None:
    saliency, mask = maps()
    for value, one, inside in zip(mass_accuracy(saliency, mask), saliency, mask, strict=True):
        total = within = 0.0
        for pixel, hit in zip(one.flatten().tolist(), inside.flatten().tolist(), strict=True):
            total += pixel
            within += pixel if hit else 0.0
        assert value.item() == pytest.approx(within / total, abs=1e-6)


def test_pointing_game_is_that_of_a_loop() -> None:
    saliency, mask = maps(levels=20)
    for value, one, inside in zip(pointing_game(saliency, mask), saliency.numpy(), mask.numpy(), strict=True):
        places = np.argwhere(one == one.max())
        assert value.item() == pytest.approx(np.mean([inside[tuple(place)] for place in places]), abs=1e-6)


def test_a_single_maximum_hits_or_misses() -> None:
    saliency = torch.zeros(2, 3, 3)
    saliency[0, 1, 1] = saliency[1, 0, 0] = 1
    mask = torch.zeros(2, 3, 3, dtype=torch.bool)
    mask[:, 1, 1] = True
    assert pointing_game(saliency, mask).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("levels", [2, 5, 10_000])
def test_mask_auc_is_the_statistic_of_mann_and_whitney(levels: int) -> None:
    saliency, mask = maps(levels=levels)
    for value, one, inside in zip(mask_auc(saliency, mask), saliency.numpy(), mask.numpy(), strict=True):
        statistic = mannwhitneyu(one[inside], one[~inside]).statistic
        assert value.item() == pytest.approx(statistic / (inside.sum() * (~inside).sum()), abs=1e-6)


def average_precision(values: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    """The definition, one distinct value after the other."""
    area = recall = 0.0
    for threshold in sorted(set(values.flatten().tolist()), reverse=True):
        chosen = values >= threshold
        hits = int((chosen & inside).sum())
        area += (hits / inside.sum() - recall) * hits / chosen.sum()
        recall = hits / inside.sum()
    return area


@pytest.mark.parametrize("levels", [2, 5, 10_000])
def test_mask_auprc_is_the_average_precision_over_distinct_values(levels: int) -> None:
    saliency, mask = maps(levels=levels)
    for value, one, inside in zip(mask_auprc(saliency, mask), saliency.numpy(), mask.numpy(), strict=True):
        assert value.item() == pytest.approx(average_precision(one, inside), abs=1e-6)


@pytest.mark.parametrize("levels", [1, 2, 5, 10_000])
def test_mask_auprc_is_that_of_scikit_learn(levels: int) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    saliency, mask = maps(levels=levels)
    for value, one, inside in zip(mask_auprc(saliency, mask), saliency.numpy(), mask.numpy(), strict=True):
        expected = sklearn.average_precision_score(inside.flatten(), one.flatten())
        assert value.item() == pytest.approx(expected, abs=1e-6)


def test_noise_has_the_average_precision_that_is_known_for_it() -> None:
    draw = torch.Generator().manual_seed(0)
    mask = torch.zeros(4000, 8, 8, dtype=torch.bool)
    mask[:, :2, :5] = True
    found = mask_auprc(torch.rand(mask.shape, generator=draw), mask)
    pixels, inside = 64, 10
    harmonic = sum(1 / rank for rank in range(1, pixels + 1))
    expected = (inside - 1) / (pixels - 1) + harmonic / pixels * (pixels - inside) / (pixels - 1)
    assert found.mean().item() == pytest.approx(expected, abs=4 * found.std().item() / 4000**0.5)


@pytest.mark.parametrize("level", [0.0, 0.3])
def test_a_constant_map_scores_what_chance_gives(level: float) -> None:
    _, mask = maps()
    constant = torch.full(mask.shape, level)
    area = mask.float().mean((1, 2))
    torch.testing.assert_close(mass_accuracy(constant, mask), area)
    torch.testing.assert_close(pointing_game(constant, mask), area)
    torch.testing.assert_close(mask_auprc(constant, mask), area)
    assert mask_auc(constant, mask).tolist() == [0.5] * len(mask)


def test_the_mask_itself_is_perfect_and_its_complement_worst() -> None:
    _, mask = maps()
    for function in FUNCTIONS:
        assert function(mask.float(), mask).tolist() == [1.0] * len(mask)
        if function is not mask_auprc:
            assert function((~mask).float(), mask).tolist() == [0.0] * len(mask)
    # all pixels are chosen before the last is found, and all at once here
    torch.testing.assert_close(mask_auprc((~mask).float(), mask), mask.float().mean((1, 2)))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_empty_mask_says_nothing(function: Function) -> None:
    assert function(torch.rand(2, 3, 4), torch.zeros(2, 3, 4, dtype=torch.bool)).isnan().all()


def test_a_full_mask_holds_everything_but_ranks_nothing() -> None:
    full = torch.ones(1, 3, 4, dtype=torch.bool)
    assert [function(torch.rand(1, 3, 4), full).item() for function in (mass_accuracy, pointing_game)] == [1.0, 1.0]
    for function in (mask_auc, mask_auprc):
        assert function(torch.rand(1, 3, 4), full).isnan().all()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_nan_in_a_map_is_a_nan_for_its_image_alone(function: Function) -> None:
    saliency, mask = maps()
    broken = saliency.clone()
    broken[1, 2, 3] = torch.nan
    values, expected = function(broken, mask), function(saliency, mask)
    assert values[1].isnan()
    torch.testing.assert_close(values[[0, *range(2, 12)]], expected[[0, *range(2, 12)]])


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_lose_nothing_in_the_sums(function: Function, dtype: torch.dtype) -> None:
    saliency = (torch.arange(64 * 64) % 7).view(1, 64, 64).to(dtype)  # exact in every type; its sum is not in half
    mask = (torch.arange(64 * 64) % 3 == 0).view(1, 64, 64)
    assert function(saliency, mask).item() == pytest.approx(function(saliency.double(), mask).item(), abs=1e-7)


@pytest.mark.parametrize(
    ("metric", "function"),
    [(MassAccuracy, mass_accuracy), (PointingGame, pointing_game), (MaskAUC, mask_auc), (AUPRC, mask_auprc)],
)
def test_the_metric_is_the_mean_over_images_that_have_a_value(
    metric: Callable[[], MassAccuracy | PointingGame | MaskAUC | AUPRC], function: Function
) -> None:
    saliency, mask = maps()
    mask[3] = False
    whole = metric()
    for start in range(0, 12, 5):
        whole.update(saliency[start : start + 5], mask[start : start + 5])
    assert whole.compute().item() == pytest.approx(function(saliency, mask).nanmean().item(), abs=1e-6)
    assert int(whole.num_dropped) == 1


@pytest.mark.parametrize("function", FUNCTIONS)
def test_wrong_input_is_refused(function: Function) -> None:
    with pytest.raises(TypeError, match=r"Expected `mask` to be bool, got torch\.float32"):
        function(torch.rand(1, 2, 2), torch.ones(1, 2, 2))
    with pytest.raises(ValueError, match=r"Expected `mask` to have the shape of `saliency`, \(1, 2, 2\), got \(1, 4\)"):
        function(torch.rand(1, 2, 2), torch.ones(1, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"Expected `saliency` of shape \(N,H,W\), got \(2, 2\)"):
        function(torch.rand(2, 2), torch.ones(2, 2, dtype=torch.bool))


def test_negative_saliency_has_no_mass() -> None:
    with pytest.raises(ValueError, match="Expected `saliency` to be non-negative, got -1"):
        mass_accuracy(torch.tensor([[[-1.0, 2.0]]]), torch.tensor([[[True, False]]]))
