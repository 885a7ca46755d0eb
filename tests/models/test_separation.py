"""How well scores separate two sets of photos."""

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu

from lightning_spx.models import separation_auc


@pytest.mark.parametrize("ties", [False, True])
def test_the_auc_is_that_of_mann_and_whitney_with_de_longs_interval(ties: bool) -> None:
    generator = np.random.default_rng(0)
    real, translated = generator.normal(0.5, 1, 40), generator.normal(0, 1, 30)
    if ties:
        real, translated = real.round(), translated.round()
    auc, low, high = separation_auc(torch.from_numpy(real), torch.from_numpy(translated))
    assert auc == pytest.approx(mannwhitneyu(real, translated).statistic / (40 * 30))
    psi = np.array([[1.0 if x > y else 0.5 if x == y else 0.0 for y in translated] for x in real])
    variance = psi.mean(1).var(ddof=1) / 40 + psi.mean(0).var(ddof=1) / 30
    assert (high - low) / 2 == pytest.approx(1.959964 * variance**0.5, rel=1e-5)
