"""Saliency maps: every metric gives a value that is right, none at all (NaN), or a line that names the map."""

import math
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lightning_spx.attribution import saliency_map
from lightning_spx.attribution.saliency import is_constant, magnitude
from lightning_spx.metrics import (
    AUPRC,
    FidelityError,
    MaskAUC,
    MassAccuracy,
    PointingGame,
    SaliencySSIM,
    TopKOverlap,
    deletion,
    fidelity_error,
    insertion,
    irof,
    mask_auc,
    mask_auprc,
    mass_accuracy,
    mege,
    pointing_game,
    reco,
    removal_ranks,
    road,
    saliency_ssim,
    topk_overlap,
)
from lightning_spx.metrics.distances import Distance, pair_distances
from lightning_spx.metrics.ranks import spearman
from lightning_spx.metrics.ssim import Preset
from tests.inputs.outcomes import refused
from tests.inputs.saliency_maps import CONSTANT, NOT_FINITE, REFERENCE, SALIENCY, SCALED, WRONG, Measure
from tests.inputs.strategies import examples

MASK = torch.zeros(2, 16, 16, dtype=torch.bool)
MASK[:, 4:9, 3:9] = True
SHARE = 30 / 256
IMAGES = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
TARGET = torch.tensor([0, 1])
SEGMENTS = torch.arange(4).repeat_interleave(64).view(1, 16, 16).repeat(2, 1, 1)
CLASSES = torch.zeros(2, 2, dtype=torch.int64)


def model(images: Tensor) -> Tensor:
    return images.square().mean((2, 3))


def distance(name: Distance) -> Measure:
    def measure(maps: Tensor) -> Tensor:
        return pair_distances(torch.stack([maps, REFERENCE.to(maps.dtype)]), name)[0]

    return measure


def signed(preset: Preset) -> Measure:
    return lambda maps: saliency_ssim(maps[:, None], REFERENCE[:, None].to(maps.dtype), preset)


NORMED: dict[str, Measure] = {
    "fidelity_error": lambda maps: fidelity_error(maps, REFERENCE),
    "l2": distance("l2"),
    "cosine": distance("cosine"),
    "signed": signed("signed"),
    "signed_symmetric": signed("signed_symmetric"),
    "mass_accuracy": lambda maps: mass_accuracy(maps, MASK),
}
ORDERED: dict[str, Measure] = {
    "topk_overlap": lambda maps: topk_overlap(maps, REFERENCE),
    "topk_overlap, exchanged": lambda maps: topk_overlap(REFERENCE, maps),
    "spearman": lambda maps: spearman(maps, REFERENCE),
    "distance by spearman": distance("spearman"),
    "pointing_game": lambda maps: pointing_game(maps, MASK),
    "mask_auc": lambda maps: mask_auc(maps, MASK),
    "mask_auprc": lambda maps: mask_auprc(maps, MASK),
}
REMOVING: dict[str, Measure] = {
    "deletion": lambda maps: deletion(model, IMAGES, TARGET, maps, 4),
    "insertion": lambda maps: insertion(model, IMAGES, TARGET, maps, 4),
    "irof": lambda maps: irof(model, IMAGES, TARGET, maps, SEGMENTS, (0.0, 0.0, 0.0)),
    "road": lambda maps: road(model, IMAGES, TARGET, maps),
}
RANGED: dict[str, Measure] = {
    "saliency_ssim": lambda maps: saliency_ssim(maps, REFERENCE),
    "l1": distance("l1"),
    "l2_raw": distance("l2_raw"),
    "ssim": distance("ssim"),
}
ALL = NORMED | ORDERED | REMOVING | RANGED
# what an infinity is to each: no value, further away than any number, or the first or last of an order
INFINITELY_FAR = {"l1", "l2_raw"}


@pytest.mark.parametrize("name", NOT_FINITE)
def test_what_is_not_finite_has_no_value_or_its_place_and_leaves_other_images_alone(name: str) -> None:
    maps = NOT_FINITE[name]
    has_nan = bool(maps.isnan().any())
    for function, measure in ALL.items():
        if function == "mass_accuracy" and bool((maps == -math.inf).any()):
            refused(partial(measure, maps), "`saliency`", "-inf")
            continue
        if function == "saliency_ssim" and not has_nan:
            refused(partial(measure, maps), "`saliency`", "inf")
            continue
        found = measure(maps)
        torch.testing.assert_close(found[1], measure(SALIENCY)[1], rtol=1e-6, atol=0)
        if has_nan or function not in INFINITELY_FAR | ORDERED.keys():
            assert found[0].isnan()
        elif function in INFINITELY_FAR:
            assert found[0] == math.inf
        else:
            # as if a number beyond all others stood there
            near = maps.clamp(-9, 9)
            torch.testing.assert_close(found[0], measure(near)[0])


@pytest.mark.parametrize("name", NOT_FINITE)
def test_no_map_is_made_of_what_is_not_finite(name: str) -> None:
    for function in (saliency_map, magnitude):
        refused(partial(function, NOT_FINITE[name][:, None]), "`attribution`", "positions [0]")


@pytest.mark.parametrize("name", CONSTANT)
def test_a_constant_map_scores_what_chance_does(name: str) -> None:
    maps = CONSTANT[name]
    assert is_constant(maps).tolist() == [True, True]
    assert torch.equal(saliency_map(maps[:, None]), torch.zeros_like(maps).to(maps.dtype))
    torch.testing.assert_close(topk_overlap(maps, REFERENCE), torch.full((2,), 26 / 256))
    assert spearman(maps, REFERENCE).tolist() == [0.0, 0.0]
    assert distance("spearman")(maps).tolist() == [1.0, 1.0]
    for located in (mass_accuracy, pointing_game, mask_auprc):
        torch.testing.assert_close(located(maps, MASK), torch.full((2,), SHARE))
    assert mask_auc(maps, MASK).tolist() == [0.5, 0.5]
    # ties are broken by chance, the same one for every constant
    for measure in REMOVING.values():
        assert torch.equal(measure(maps), measure(CONSTANT["zeros"]))
    if bool((maps == 0).all()):
        assert fidelity_error(maps, REFERENCE).isnan().all()
        assert distance("l2")(maps).tolist() == distance("cosine")(maps).tolist() == [1.0, 1.0]
    else:
        for function, measure in NORMED.items():
            torch.testing.assert_close(
                measure(maps), measure(CONSTANT["a half everywhere"]), rtol=1e-5, atol=1e-7, msg=function
            )


@pytest.mark.parametrize("name", SCALED)
def test_another_scale_changes_no_value_that_is_of_none(name: str) -> None:
    maps = SCALED[name]
    # a map that is that small keeps a few of its digits
    rtol, atol = (1e-4, 1e-5) if "denormal" in name else (1e-6, 1e-7)
    for function, measure in (NORMED | ORDERED | REMOVING).items():
        if function.startswith("topk") and maps.dtype == torch.float32 and name == "denormal":
            rtol, atol = 0.05, 0.01
        torch.testing.assert_close(measure(maps), measure(SALIENCY), msg=f"{function}, {name}", rtol=rtol, atol=atol)
    torch.testing.assert_close(
        saliency_map(maps[:, None]).float(), saliency_map(SALIENCY[:, None]), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_map_is_refused_by_name(name: str) -> None:
    maps: Any = WRONG[name]
    single = {
        "ssim": lambda: saliency_ssim(maps, REFERENCE),
        "ssim, exchanged": lambda: saliency_ssim(REFERENCE, maps),
        "fidelity_error": lambda: fidelity_error(maps, REFERENCE),
        "topk_overlap": lambda: topk_overlap(maps, REFERENCE),
        "mass_accuracy": lambda: mass_accuracy(maps, MASK),
        "pointing_game": lambda: pointing_game(maps, MASK),
        "mask_auc": lambda: mask_auc(maps, MASK),
        "mask_auprc": lambda: mask_auprc(maps, MASK),
        "removal_ranks": lambda: removal_ranks(maps, IMAGES),
        "deletion": lambda: deletion(model, IMAGES, TARGET, maps, 4),
        "insertion": lambda: insertion(model, IMAGES, TARGET, maps, 4),
        "irof": lambda: irof(model, IMAGES, TARGET, maps, SEGMENTS, (0.0, 0.0, 0.0)),
        "road": lambda: road(model, IMAGES, TARGET, maps),
    }
    for call in single.values():
        refused(call, "Expected `")
    refused(lambda: spearman(maps, REFERENCE), "Expected `")
    # with one axis more: models, or channels
    if name != "two channels":
        for measure in (mege, reco):
            refused(partial(measure, maps, CLASSES, CLASSES[0]), "`maps`")
        refused(lambda: pair_distances(maps, "l1"), "`maps`")
        refused(lambda: saliency_map(maps), "`attribution`")
    if name not in ("a row less", "an image less"):
        refused(lambda: is_constant(maps), "`saliency`")


def test_metrics_leave_out_and_count_what_has_no_value() -> None:
    maps = NOT_FINITE["a NaN"]
    for metric, second in (
        (SaliencySSIM(), REFERENCE),
        (TopKOverlap(), REFERENCE),
        (FidelityError(), REFERENCE),
        (MassAccuracy(), MASK),
        (PointingGame(), MASK),
        (MaskAUC(), MASK),
        (AUPRC(), MASK),
    ):
        metric.update(maps, second)
        only = type(metric)()
        only.update(SALIENCY[1:], second[1:])
        assert torch.equal(metric.compute(), only.compute())
        assert metric.num_dropped == 1


NUMBERS = st.floats(width=32, allow_nan=True, allow_infinity=True, allow_subnormal=True)


@examples(150)
@given(values=st.lists(NUMBERS, min_size=4, max_size=4))
def test_any_four_numbers_have_values_in_range_or_none(values: list[float]) -> None:
    maps = torch.tensor(values).repeat_interleave(64).view(1, 16, 16)
    finite = bool(maps.isfinite().all())
    if not finite:
        refused(lambda: saliency_map(maps[:, None]), "`attribution`")
        return
    saliency = saliency_map(maps[:, None])
    assert saliency.min() >= 0
    assert saliency.max() <= 1
    reference = REFERENCE[:1]
    limits: dict[str, tuple[Tensor, float, float]] = {
        "ssim": (saliency_ssim(saliency, reference), -1, 1),
        "topk": (topk_overlap(maps, reference), 0, 1),
        "auc": (mask_auc(maps, MASK[:1]), 0, 1),
        "auprc": (mask_auprc(maps, MASK[:1]), 0, 1),
        "pointing": (pointing_game(maps, MASK[:1]), 0, 1),
        "mass": (mass_accuracy(maps.abs(), MASK[:1]), 0, 1),
        "l2": (pair_distances(torch.stack([maps, reference]), "l2")[0], 0, 2),
        "cosine": (pair_distances(torch.stack([maps, reference]), "cosine")[0], 0, 2),
        "spearman": (pair_distances(torch.stack([maps, reference]), "spearman")[0], 0, 1),
    }
    for name, (found, low, high) in limits.items():
        assert low <= found.item() <= high, name
