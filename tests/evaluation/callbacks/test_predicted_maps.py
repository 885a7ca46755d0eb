"""Prediction with the callback: maps beside logits, in memory and in files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning import Trainer
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lightning_spx.attribution import input_gradient, saliency_map
from lightning_spx.cli import main
from lightning_spx.evaluation import SaliencyEvaluator
from lightning_spx.models import ImageClassifier, SmallResNet
from lightning_spx.superpixels import Grid, segment_pool
from tests.command_line import FIT
from tests.evaluation.callbacks.evaluator_cases import MEAN, QUIET, STD, Stranger, normalized, pictures


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["spx"])


class Photos(Dataset[dict[str, Tensor]]):
    """Images without labels."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"image": pictures(10)[0][index]}


class WithPaths(Dataset[tuple[Tensor, str]]):
    """Normalized images with their paths."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> tuple[Tensor, str]:
        return normalized(pictures(10)[0][index]), f"{index}.png"


class Predicting(Stranger):
    """A stranger's module, which predicts plain logits."""

    def predict_step(self, batch: Sequence[Tensor], batch_idx: int) -> Tensor:
        logits: Tensor = self(batch[0])
        return logits


def maps_of(module: ImageClassifier, images: Tensor) -> tuple[Tensor, Tensor]:
    gradient = input_gradient(module, images, module.eval()(images).argmax(1))
    return saliency_map(gradient), saliency_map(segment_pool(gradient, Grid(9)(images)))


def test_predictions_hold_logits_and_maps() -> None:
    images, _ = pictures(10)
    module = ImageClassifier(SmallResNet(width=4))
    trainer = Trainer(**{**QUIET, "callbacks": [SaliencyEvaluator(superpixels=[Grid(9)])]})
    batches = trainer.predict(module, DataLoader(Photos(), batch_size=4))
    assert batches is not None
    pixel, pooled = maps_of(module, images)
    predictions = [batch for batch in batches if isinstance(batch, dict)]
    assert torch.allclose(torch.cat([batch["logits"] for batch in predictions]), module(images), atol=1e-5)
    for name, expected in (("Gradient", pixel), ("S-Gradient/Grid", pooled)):
        assert torch.allclose(torch.cat([batch["saliency"][name] for batch in predictions]), expected, atol=1e-5)


def test_files_hold_the_same() -> None:
    images, _ = pictures(10)
    module = ImageClassifier(SmallResNet(width=4))
    trainer = Trainer(**{**QUIET, "callbacks": [SaliencyEvaluator(superpixels=[Grid(9)])]})
    trainer.predict(module, DataLoader(Photos(), batch_size=4))
    files = sorted(Path("saliency/predictions").glob("*.npz"))
    assert len(files) == 3
    kept = [dict(np.load(file, allow_pickle=False)) for file in files]
    pixel, pooled = maps_of(module, images)
    assert np.allclose(np.concatenate([batch["Gradient"] for batch in kept]), pixel, atol=1e-5)
    assert np.allclose(np.concatenate([batch["S-Gradient/Grid"] for batch in kept]), pooled, atol=1e-5)
    assert np.array_equal(np.concatenate([batch["segments/Grid"] for batch in kept]), Grid(9)(images))
    with torch.no_grad():
        assert np.allclose(np.concatenate([batch["logits"] for batch in kept]), module(images), atol=1e-5)


def test_a_strangers_predictions_stay_as_they_are_and_the_maps_are_in_files() -> None:
    evaluator = SaliencyEvaluator(superpixels=[Grid(9)], mean=MEAN, std=STD)
    trainer = Trainer(**{**QUIET, "callbacks": [evaluator]})
    (logits,) = trainer.predict(Predicting(), DataLoader(WithPaths(), batch_size=10)) or []
    assert isinstance(logits, Tensor)
    kept = np.load("saliency/predictions/batch_0_000000_0.npz")
    assert np.allclose(kept["logits"], logits, atol=1e-5)
    assert kept["Gradient"].shape == (10, 12, 12)


def test_spx_fit_and_predict_take_the_callback_from_yaml(tmp_path: Path) -> None:
    Path("callback.yaml").write_text(
        """
trainer:
  max_epochs: 2
  logger: {class_path: CSVLogger, init_args: {save_dir: logs}}
  callbacks:
    - class_path: SaliencyEvaluator
      init_args:
        methods: [{class_path: Gradient}, {class_path: SmoothGrad, init_args: {num_samples: 2}}]
        superpixels: [{class_path: Grid, init_args: {n_segments: 9}}]
        references: [previous]
        num_images: 6
"""
    )
    words = [word for word in FIT if "logger" not in word]
    main(["fit", *words, "--config=callback.yaml"])
    metrics = (tmp_path / "logs/lightning_logs/version_0/metrics.csv").read_text()
    # the drawn birds come with masks
    for name in (
        "saliency_ssim/S-SmoothGrad/Grid/floor",
        "mass_accuracy/Gradient/value",
        "topk_overlap/Gradient/value",
    ):
        assert f"val/{name}" in metrics
    assert (tmp_path / "logs/lightning_logs/version_0/saliency/history.csv").is_file()
    checkpoint = next(tmp_path.rglob("*.ckpt"))
    main(
        ["predict", *words, "--config=callback.yaml", f"--ckpt_path={checkpoint}", "--trainer.limit_predict_batches=1"]
    )
    (file,) = tmp_path.glob("logs/lightning_logs/version_1/saliency/predictions/*.npz")
    assert np.load(file)["S-Gradient/Grid"].shape == (10, 32, 32)
