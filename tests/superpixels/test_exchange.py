"""Label maps of other tools, and captum with segments, against slow loops."""

import math
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import FeatureAblation, KernelShap, ShapleyValues
from skimage.segmentation import slic
from torch import Tensor

from lightning_spx.attribution import FromCaptum
from lightning_spx.superpixels import Slic, as_segments, check_segments, feature_mask, segment_pool
from tests.superpixels.conftest import draw

IMAGES = draw(3, 23, 17)
SEGMENTS = torch.stack([Slic(number)(image) for number, image in zip((4, 9, 12), IMAGES, strict=True)])


def network(images: Tensor) -> Tensor:
    weights = torch.randn(3 * 23 * 17, 5, generator=torch.Generator().manual_seed(0))
    return torch.tanh(images.flatten(1) @ weights / 10)


def ablated(images: Tensor, segments: Tensor, target: Tensor) -> Tensor:
    """What each segment of each image adds to the logit, one after the other."""
    result = torch.zeros_like(images)
    for image, ids, found, label in zip(images, segments, result, target.tolist(), strict=True):
        for segment in range(int(ids.max()) + 1):
            without = torch.where(ids == segment, 0, image)
            found[:, ids == segment] = (network(image[None]) - network(without[None]))[0, label]
    return result


@pytest.mark.parametrize("at_once", [1, 4])
def test_captum_ablates_the_segments_of_every_image(at_once: int) -> None:
    target = torch.tensor([0, 3, 1])
    expected = ablated(IMAGES, SEGMENTS, target)
    method = FeatureAblation(network)
    found = method.attribute(IMAGES, target=target, feature_mask=feature_mask(SEGMENTS), perturbations_per_eval=at_once)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    alone = method.attribute(IMAGES[1:2], target=target[1:2], feature_mask=feature_mask(SEGMENTS[1]))
    torch.testing.assert_close(alone, expected[1:2], atol=1e-6, rtol=0)


def shapley(image: Tensor, ids: Tensor, label: int) -> Tensor:
    """What each segment adds on average over the orders in which segments come back, one after the other."""
    count = int(ids.max()) + 1
    added = torch.zeros(count)
    for order in permutations(range(count)):
        shown = torch.zeros_like(image)
        before = network(shown[None])[0, label]
        for segment in order:
            shown = torch.where(ids == segment, image, shown)
            after = network(shown[None])[0, label]
            added[segment] += (after - before) / math.factorial(count)
            before = after
    return added[ids].expand_as(image)


def test_captum_shares_the_logit_among_the_segments_of_every_image() -> None:
    # of three segments and of two
    segments = torch.stack([torch.arange(23 * 17).view(23, 17) // 150, torch.arange(23 * 17).view(23, 17) // 200])
    masks = feature_mask(segments)
    found = ShapleyValues(network).attribute(IMAGES[:2], target=torch.tensor([4, 2]), feature_mask=masks)
    for image, ids, label, values in zip(IMAGES[:2], segments, (4, 2), found, strict=True):
        torch.testing.assert_close(values, shapley(image, ids, label), atol=1e-6, rtol=0)


@pytest.mark.filterwarnings("ignore:Setting forward, backward hooks")
def test_methods_that_draw_explain_each_image_with_its_own_segments() -> None:
    segments = torch.stack([torch.arange(23 * 17).view(23, 17) // 150, torch.arange(23 * 17).view(23, 17) // 200])
    target = torch.tensor([4, 2])

    def explained(images: Tensor, ids: Tensor, labels: Tensor) -> Tensor:
        method = FromCaptum(KernelShap, {"feature_mask": feature_mask(ids), "n_samples": 30}, seed=0)
        return method.attribute(network, images, labels)

    together = explained(IMAGES[:2], segments, target)
    for number in range(2):
        here = slice(number, number + 1)
        assert torch.equal(explained(IMAGES[here], segments[here], target[here]), together[here])
        expected = shapley(IMAGES[number], segments[number], int(target[number]))
        torch.testing.assert_close(together[number], expected, atol=0.1, rtol=0)
    assert torch.equal(explained(IMAGES[:2].flip(0), segments.flip(0), target.flip(0)), together.flip(0))


def test_a_mask_has_an_axis_for_channels_and_keeps_the_ids() -> None:
    assert torch.equal(feature_mask(SEGMENTS)[:, 0], SEGMENTS)
    assert feature_mask(SEGMENTS[0]).shape == (1, 1, 23, 17)
    assert feature_mask(SEGMENTS[:0]).shape == (0, 1, 23, 17)
    with pytest.raises(ValueError, match="without gaps"):
        feature_mask(SEGMENTS + 1)


def test_label_maps_of_scikit_image_become_segments() -> None:
    image = IMAGES[0].movedim(0, -1).numpy()
    labels = slic(image, n_segments=20, start_label=1)
    with pytest.raises(ValueError, match="got ndarray: as_segments"):
        segment_pool(IMAGES[0], labels)
    segments = as_segments(labels)
    assert torch.equal(segments, torch.from_numpy(labels) - 1)
    check_segments(segments[None])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64, torch.bool])
def test_integers_are_renumbered_in_each_image_by_itself(dtype: torch.dtype) -> None:
    labels = torch.tensor([[[0, 5], [9, 5]], [[7, 7], [3, 1]]]).to(dtype)
    expected = []
    for each in labels.tolist():
        old = sorted({label for row in each for label in row})
        expected.append([[old.index(label) for label in row] for row in each])
    for given in (labels, labels.numpy()):
        assert as_segments(given).tolist() == expected
        assert as_segments(given[0]).tolist() == expected[0]
    check_segments(as_segments(labels))


def test_negative_ids_and_no_images_are_taken_and_segments_stay() -> None:
    assert as_segments(np.array([[-1, 4], [-1, -7]])).tolist() == [[1, 2], [1, 0]]
    assert as_segments(SEGMENTS[:0]).shape == (0, 23, 17)
    assert torch.equal(as_segments(SEGMENTS), SEGMENTS)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (SEGMENTS.float(), TypeError, r"`labels` to be integers, got torch\.float32: give labels\.round"),
        (SEGMENTS.bfloat16(), TypeError, r"got torch\.bfloat16"),
        (SEGMENTS.double().numpy(), TypeError, "got float64"),
        (SEGMENTS.tolist(), TypeError, "a tensor or an array, got list"),
        (SEGMENTS[0, 0], ValueError, r"\(H, W\) or \(N, H, W\), got \(17,\)"),
        (SEGMENTS[:, None], ValueError, r"got \(3, 1, 23, 17\)"),
        (SEGMENTS[:, :0], ValueError, r"got \(3, 0, 17\)"),
    ],
)
def test_other_label_maps_are_refused(labels: object, error: type[Exception], message: str) -> None:
    given: Any = labels
    with pytest.raises(error, match=message):
        as_segments(given)
