"""What a study imports and compiles when it needs it: done once before processes are forked, not in each of them."""

import matplotlib.backends.backend_agg
import pyarrow.dataset
import torch

import lightning_spx.cli.commands
import lightning_spx.evaluation.stability.trained
from lightning_spx.metrics.ssim import pairwise_ssim

__all__ = ["lightning_spx", "matplotlib", "pyarrow"]

torch.set_num_threads(1)
# loads the compiled loops, if numba is installed
pairwise_ssim(torch.zeros(2, 1, 16, 16))
