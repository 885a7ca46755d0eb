"""The orders in which pixels are removed: by Sobel's filter, and by maps and their controls."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from lightning_spx.attribution import Gradient, magnitude
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.evaluation.roar.orders import (
    ModifiedImages,
    Order,
    RankingSettings,
    list_orders,
    load_ranks,
    rank_images,
    sobel,
)
from lightning_spx.metrics import removal_ranks
from lightning_spx.models.image_model import ImageModel
from lightning_spx.runs.folder import RunFolder
from lightning_spx.superpixels import Grid, ImagePooling, JointBilateral
from tests.filters import Fading
from tests.small_study import birds, classifier


def test_sobel_equals_scipy() -> None:
    images = torch.rand(2, 3, 9, 11, generator=torch.Generator().manual_seed(0))
    gray = images.mean(1).numpy()
    for found, image in zip(sobel(images), gray, strict=True):
        edges = [ndimage.sobel(image.astype(np.float64), axis, mode="nearest") for axis in (0, 1)]
        np.testing.assert_allclose(found.numpy(), np.hypot(*edges), atol=1e-5)


@pytest.mark.parametrize("batch_size", [2, 50])
def test_filters_rank_pixels_as_their_maps_do_and_have_two_controls(batch_size: int, tmp_path: Path) -> None:
    superpixels: dict[str, ImagePooling] = {"JointBilateral": JointBilateral(), "Grid": Grid(9), "Fading": Fading()}
    methods = {"Gradient": Gradient()}
    orders = list_orders(methods, superpixels, "after")
    # random, sobel and the pixel map; a filter with two controls, a grid with four
    assert len(orders) == 3 + 3 + 5 + 3
    data, model, run = birds(num_parts=1, plan="all"), ImageModel(classifier()).eval(), RunFolder(tmp_path, {})
    images = ModifiedImages(np.array([3, 1]), 3)
    rank_images(run, data, images, model, orders, RankingSettings(methods, superpixels, batch_size, seed=0))
    photos, labels = images.read(data, np.arange(5))
    attribution = Gradient().attribute(model, photos, labels)
    lenders = photos[derangement(5, 0)]
    for name, smoothing in (("JointBilateral", JointBilateral()), ("Fading", Fading())):
        for row, guide in ((name, photos), (f"control:borrowed({name})", lenders)):
            scores = magnitude(smoothing.pool(attribution, guide))
            expected = removal_ranks(scores, photos, 0)
            found = load_ranks(run, Order("Gradient", row, "after"))
            # pixels of nearly equal scores may change places
            assert (found == expected.numpy()).mean() > 0.95
