"""Colors in CIELAB."""

import numpy as np
import torch
from skimage.color import rgb2lab

from lightning_spx.superpixels.cielab import cielab


def test_cielab_is_scikit_images() -> None:
    pixels = torch.randint(0, 256, (1, 3, 200, 200), generator=torch.Generator().manual_seed(0)).byte()
    expected = rgb2lab(pixels[0].permute(1, 2, 0).numpy())
    assert np.abs(cielab(pixels)[0].permute(1, 2, 0).numpy() / 64 - expected).max() < 0.13
