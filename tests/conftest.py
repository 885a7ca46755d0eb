"""What every test shares: a windowless backend, offline trackers, and the place of the real images."""

import os
from pathlib import Path

import matplotlib
import pytest
import torch
from hypothesis import settings

matplotlib.use("Agg")
# a deadline is a timed test, and processes on few cores keep each other waiting
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
# the tests' tensors are small: a second thread costs them more than it brings, much more beside another process
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # of processes that tests start: other numbers of threads add up in other orders
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("WANDB_SILENT", "true")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real images, or skip."""
    folder = Path(os.environ.get("SPX_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real images at {folder}; set SPX_DATA")
    return folder
