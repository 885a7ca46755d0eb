"""How far models' maps of a photo agree: the metric's own values, without torch."""

from itertools import combinations

import numpy as np
import pytest
import torch

from lightning_spx.evaluation.maps.example_agreement import example_agreement
from lightning_spx.metrics import saliency_ssim


def test_it_is_the_mean_of_the_metric_over_all_pairs_of_models() -> None:
    maps = torch.rand(3, 4, 24, 17, generator=torch.Generator().manual_seed(0))
    maps[0, 1] = 0.0
    pairs = [saliency_ssim(maps[first], maps[second]) for first, second in combinations(range(3), 2)]
    np.testing.assert_allclose(example_agreement(maps.numpy()), torch.stack(pairs).mean(0).numpy(), atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 2, 16, 16), (2, 2, 10, 16)])
def test_it_is_unknown_for_one_model_and_for_photos_smaller_than_the_window(shape: tuple[int, ...]) -> None:
    assert np.isnan(example_agreement(np.ones(shape, np.float32))).tolist() == [True, True]
