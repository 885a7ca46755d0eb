"""Time the stages of a small trade-off on one thread: `python -m tests.benchmarks.tradeoff [images]`.

Training is short and, like explaining, counts only in its own rows. CPU seconds are measured, because they vary less
than seconds on a clock where other programs run.
"""

import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from unittest.mock import patch

import torch

from lightning_spx.cli import main as spx
from lightning_spx.models.networks import SmallResNet

SETTINGS = """
num_images: {images}
methods: [{{class_path: Gradient}}]
superpixels:
  - class_path: Slic
    init_args: {{n_segments: 64}}
magnitudes: [after, before]
fractions: [0.3, 0.7]
num_resamples: 200
"""
BEFORE = ("models and predictions", "explain Gradient")


def main() -> None:
    images = int(sys.argv[1]) if len(sys.argv) > 1 else 32
    torch.set_num_threads(1)
    evaluated: Counter[str] = Counter()
    forward = SmallResNet.forward

    def counted(network: SmallResNet, photos: torch.Tensor) -> torch.Tensor:
        evaluated["images"] += 0 if torch.is_grad_enabled() else len(photos)
        return forward(network, photos)

    with tempfile.TemporaryDirectory() as folder:
        config, out = Path(folder) / "config.yaml", Path(folder) / "run"
        config.write_text(SETTINGS.format(images=images))
        with patch("time.perf_counter", time.process_time), patch.object(SmallResNet, "forward", counted):
            spx(
                [
                    *("tradeoff", "--config", str(config), "--out", str(out), "--trainer.accelerator", "cpu"),
                    *("--trainer.max_epochs", "1", "--trainer.enable_progress_bar", "false"),
                ]
            )
        seconds = json.loads((out / "run.json").read_text())["seconds"]
    print(f"{images} images of 32 px, 2 models, 1 method, 11 rows; CPU seconds of one thread")
    for stage, value in seconds.items():
        print(f"{stage:<24} {value:7.2f}")
    print(
        f"{'without models, explain':<24} {sum(seconds.values()) - sum(seconds.get(each, 0) for each in BEFORE):7.2f}"
    )
    print(f"{'images evaluated':<24} {evaluated['images']:7d}")


if __name__ == "__main__":
    main()
