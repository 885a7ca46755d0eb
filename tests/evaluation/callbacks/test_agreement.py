"""The numbers of a dashboard against loops over images, with scikit-image's SSIM and everything else by hand."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import pytest
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from lightning_spx.attribution import GradCAM
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.evaluation.callbacks.agreement import (
    PREVIOUS,
    agreement_scalars,
    compare_with,
    pooled_maps,
    row_name,
)
from lightning_spx.evaluation.callbacks.chosen_images import ChosenImages
from lightning_spx.evaluation.callbacks.explained_images import ExplainedImages
from lightning_spx.evaluation.maps.model_maps import ModelMaps
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.evaluation.statistics.floors import permute_pixels
from lightning_spx.metrics import Distance
from lightning_spx.superpixels import Slic
from tests.evaluation.callbacks.agreement_cases import (
    LABEL,
    METHODS,
    NUM_IMAGES,
    SEED,
    SEGMENTERS,
    SIZE,
    Map,
    explained,
    model,
    pooled,
    scaled,
)


def scalars_of(
    others: Mapping[str, ModelMaps],
    own: ModelMaps | None = None,
    magnitude: Magnitude = "after",
    distance: Distance = "l2",
    controls: bool = False,
    images: ExplainedImages | None = None,
) -> dict[str, float]:
    rows = compare_with(
        own or model(0),
        others,
        METHODS,
        images or explained(),
        magnitude=magnitude,
        distance=distance,
        controls=controls,
    )
    return agreement_scalars(rows)


def ssim(first: Map, second: Map) -> float:
    reference: Callable[..., float] = structural_similarity
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    return float(reference(scaled(first), scaled(second), **settings))


def overlap(first: Map, second: Map) -> float:
    """Expected share in common of the 10 % largest, where ties at the border share what is left."""
    count = max(1, round(0.1 * first.size))
    weights = []
    for values in (scaled(first).astype(np.float32).ravel(), scaled(second).astype(np.float32).ravel()):
        border = np.sort(values)[-count]
        above, tied = values > border, values == border
        weights.append(above + tied * (count - above.sum()) / tied.sum())
    return float((weights[0] * weights[1]).sum() / count)


def l2(first: Map, second: Map) -> float:
    return float(np.linalg.norm(first / np.linalg.norm(first) - second / np.linalg.norm(second)))


def expected(
    metric: str, pairs: list[tuple[ModelMaps, ModelMaps]], method: str, segmenter: str | None, magnitude: Magnitude
) -> tuple[float, float, float]:
    """The value, its floor and its excess of a number over pairs of models, one image at a time."""
    images = explained()
    segments = None if segmenter is None else images.segments[segmenter]
    other_image = derangement(NUM_IMAGES, SEED)
    compared = {"saliency_ssim": ssim, "topk_overlap": overlap, "mege": l2}[metric]
    variants: dict[str, list[float]] = {"value": [], "permuted": [], "mismatched": []}
    for first, second in pairs:
        for image in range(NUM_IMAGES):
            right = [int(maps.preds[image]) == int(LABEL[image]) for maps in (first, second)]
            if metric == "mege" and not all(right):
                continue
            here = None if segments is None else segments[image]

            def drawn(maps: ModelMaps, place: int, here: Tensor | None = here) -> Map:
                return pooled(maps.attributions[method][place], here, magnitude)

            def permuted(maps: ModelMaps, own: int, image: int = image, here: Tensor | None = here) -> Map:
                attribution = maps.attributions[method][image : image + 1]
                return pooled(permute_pixels(attribution, [image], own, SEED)[0], here, magnitude)

            variants["value"].append(compared(drawn(first, image), drawn(second, image)))
            variants["permuted"].append(compared(permuted(first, 0), permuted(second, 1)))
            mismatched = drawn(second, int(other_image[image]))
            variants["mismatched"].append(compared(drawn(first, image), mismatched))
    means = {name: float(np.mean(values)) for name, values in variants.items()}
    if metric == "mege":
        means = {name: 1 / (1 + mean) for name, mean in means.items()}
    floor = max(means["permuted"], means["mismatched"])
    return means["value"], floor, (means["value"] - floor) / (1 - floor)


@pytest.mark.parametrize("magnitude", ["after", "before"])
@pytest.mark.parametrize("metric", ["saliency_ssim", "topk_overlap", "mege"])
def test_numbers_equal_a_loop_over_two_references_and_their_images(metric: str, magnitude: Magnitude) -> None:
    own = model(0, [0, 1, 2, 0, 1, 0])
    others = {"a": model(1, [0, 1, 2, 1, 1, 2]), "b": model(2, [0, 2, 2, 0, 1, 2])}
    scalars = scalars_of(others, own, magnitude)
    pairs = [(own, other) for other in others.values()]
    for segmenter in (None, *SEGMENTERS):
        name = f"{metric}/{row_name('SmoothGrad', segmenter or 'pixel')}"
        value, floor, excess = expected(metric, pairs, "SmoothGrad", segmenter, magnitude)
        assert scalars[f"{name}/value"] == pytest.approx(value, abs=2e-5)
        assert scalars[f"{name}/floor"] == pytest.approx(floor, abs=2e-5)
        assert scalars[f"{name}/excess"] == pytest.approx(excess, abs=5e-5)


def test_every_number_has_its_floor_and_excess_and_nothing_else_is_logged() -> None:
    rows = [row_name(method, name) for method in METHODS for name in ("pixel", *SEGMENTERS)]
    names = {f"{metric}/{row}" for metric in ("saliency_ssim", "topk_overlap", "mege") for row in rows}
    expected_names = {f"{name}/{part}" for name in names for part in ("value", "floor", "excess")}
    assert set(scalars_of({"a": model(1)})) == expected_names
    assert set(scalars_of({"a": model(1)}, controls=True)) == expected_names


def test_controls_change_no_number() -> None:
    without, with_controls = (scalars_of({"a": model(1)}, controls=controls) for controls in (False, True))
    assert with_controls == pytest.approx(without, abs=1e-6)


def test_equal_maps_agree_wholly() -> None:
    scalars = scalars_of({"twin": model(0)})
    for row in ("Gradient", "S-Gradient/Voronoi"):
        for metric in ("saliency_ssim", "mege"):
            assert scalars[f"{metric}/{row}/value"] == pytest.approx(1, abs=1e-6)
            assert scalars[f"{metric}/{row}/excess"] == pytest.approx(1, abs=1e-5)
            assert scalars[f"{metric}/{row}/floor"] < 0.9


def test_the_previous_state_alone_has_the_plain_names() -> None:
    assert scalars_of({PREVIOUS: model(1)}) == scalars_of({"a": model(1)})


def test_beside_references_the_previous_state_has_names_of_its_own() -> None:
    both = scalars_of({"a": model(1), "b": model(2), PREVIOUS: model(3)})
    references = scalars_of({"a": model(1), "b": model(2)})
    assert {name: value for name, value in both.items() if PREVIOUS not in name} == references
    previous = scalars_of({PREVIOUS: model(3)})
    for name, value in previous.items():
        row, _, part = name.rpartition("/")
        assert both[f"{row}/{PREVIOUS}/{part}"] == value
    assert len(both) == len(references) + len(previous)


def test_without_an_image_that_both_classify_correctly_there_is_no_mege() -> None:
    wrong = model(1, [1, 2, 0, 1, 2, 0])
    scalars = scalars_of({"a": wrong})
    assert not [name for name in scalars if name.startswith("mege")]
    assert "saliency_ssim/Gradient/value" in scalars
    assert all(np.isfinite(value) for value in scalars.values())


def test_the_distance_of_mege_is_the_one_asked_for() -> None:
    distances: tuple[Distance, ...] = ("l2", "l1", "spearman")
    values = [scalars_of({"a": model(1)}, distance=distance)["mege/Gradient/value"] for distance in distances]
    assert len(set(values)) == 3


def test_pixel_rows_do_not_depend_on_the_order_of_magnitudes() -> None:
    after, before = (scalars_of({"a": model(1)}, magnitude=order) for order in ("after", "before"))
    for name, value in after.items():
        if "S-" in name:
            assert before[name] != value, name
        else:
            assert before[name] == value, name


def test_a_method_that_is_never_negative_has_one_order() -> None:
    maps = ModelMaps(LABEL, torch.zeros(NUM_IMAGES), {"GradCAM": model(0).attributions["Gradient"].abs()})
    rows = compare_with(
        maps, {"a": maps}, {"GradCAM": GradCAM()}, explained(), magnitude="after", distance="l2", controls=False
    )
    assert set(rows["magnitude"]) == {"either"}
    assert agreement_scalars(rows)["saliency_ssim/S-GradCAM/Grid/value"] == pytest.approx(1, abs=1e-6)


def test_rows_name_the_other_model_and_count_the_images() -> None:
    others = {"a": model(1), PREVIOUS: model(2)}
    rows = compare_with(model(0), others, METHODS, explained(), magnitude="after", distance="l2", controls=True)
    assert list(rows["pair"].unique()) == ["a", PREVIOUS]
    assert sorted(rows["method"].unique()) == sorted(METHODS)
    assert set(rows["repeat"]) == {0}
    assert set(rows["index"]) == set(range(NUM_IMAGES))
    kinds = {f"control:{kind}({name})" for kind in ("grid", "voronoi", "borrowed", "blur") for name in SEGMENTERS}
    assert set(rows["superpixels"]) == {"pixel", *SEGMENTERS} | kinds
    pd.testing.assert_frame_equal(rows, rows.drop_duplicates())


def test_gray_images_are_segmented_as_if_they_were_colored() -> None:
    gray = torch.rand(NUM_IMAGES, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    slic = {"Slic": Slic(n_segments=16)}
    own = ExplainedImages.segment(ChosenImages(gray, LABEL, None), gray, slic, 4, SEED)
    torch.testing.assert_close(own.segments["Slic"], slic["Slic"](gray.expand(-1, 3, -1, -1)))
    assert own.images.shape == gray.shape
    scalars = scalars_of({"a": model(1, channels=1)}, model(0, channels=1), images=explained(channels=1))
    assert 0 < scalars["saliency_ssim/Gradient/excess"] < 1


@pytest.mark.parametrize("channels", [2, 4, 14])
def test_images_of_other_channels_are_compared_and_shown_as_their_mean(channels: int) -> None:
    images = explained(channels)
    scalars = scalars_of({"a": model(1, channels=channels)}, model(0, channels=channels), images=images)
    assert 0 < scalars["saliency_ssim/Gradient/excess"] < 1
    torch.testing.assert_close(images.photos, images.images.mean(1, keepdim=True).expand(-1, 3, -1, -1))


def test_maps_are_pooled_as_they_are_compared() -> None:
    attribution, images = model(0).attributions["Gradient"], explained()
    orders: tuple[Magnitude, ...] = ("after", "before")
    for magnitude in orders:
        maps = pooled_maps(attribution, images, magnitude)
        assert list(maps) == ["pixel", *SEGMENTERS]
        for name, saliency in maps.items():
            segments = images.segments.get(name)
            for image in range(NUM_IMAGES):
                own = None if segments is None else segments[image]
                slow = scaled(pooled(attribution[image], own, magnitude))
                np.testing.assert_allclose(saliency[image], slow, atol=1e-5)
