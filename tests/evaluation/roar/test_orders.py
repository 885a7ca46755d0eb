"""The order in which Sobel's filter removes pixels."""

import numpy as np
import torch
from scipy import ndimage

from lightning_spx.evaluation.roar.orders import sobel


def test_sobel_equals_scipy() -> None:
    images = torch.rand(2, 3, 9, 11, generator=torch.Generator().manual_seed(0))
    gray = images.mean(1).numpy()
    for found, image in zip(sobel(images), gray, strict=True):
        edges = [ndimage.sobel(image.astype(np.float64), axis, mode="nearest") for axis in (0, 1)]
        np.testing.assert_allclose(found.numpy(), np.hypot(*edges), atol=1e-5)
