"""Loaders that do more to images than subtract a mean: what they do is a differentiable `preprocess`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import Trainer
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from lightning_spx.attribution import Gradient
from lightning_spx.models.normalize import ZScore
from tests.evaluation.callbacks.evaluator_cases import QUIET, Stranger, evaluator, pictures


class Counting(Stranger):
    """A module that counts its steps of training, and may z-score its images by itself."""

    def __init__(self, inside: bool = False) -> None:
        super().__init__(dropout=0.0)
        self.inside = inside
        self.steps = 0

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(ZScore()(images) if self.inside else images)

    def training_step(self, batch: Sequence[Tensor], batch_idx: int) -> Tensor:
        self.steps += 1
        return super().training_step(batch, batch_idx)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def loader(change: Callable[[Tensor], Tensor] = lambda images: images) -> DataLoader[Any]:
    images, labels = pictures()
    # a z-score forgets brightness and contrast, so that only images from 0 to 1 are restored exactly
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    return DataLoader(TensorDataset(change((images - low) / (high - low)), labels), 6)


def plain(**settings: object) -> dict[str, Any]:
    return {"mean": None, "std": None, "num_resamples": 20, **settings}


def test_a_loader_that_z_scores_equals_a_module_that_does_it_by_itself() -> None:
    histories = []
    for inside in (False, True):
        torch.manual_seed(0)
        module = Counting(inside)
        one = evaluator(**plain(preprocess=None if inside else ZScore()))
        trainer = Trainer(**{**QUIET, "max_epochs": 2, "callbacks": [one]})
        data = loader() if inside else loader(ZScore())
        trainer.fit(module, data, data)
        histories.append(one.history)
    for own, expected in zip(*histories, strict=True):
        assert own == pytest.approx(expected, abs=2e-3)
    assert "saliency_ssim/S-Gradient/Grid" in histories[0][1]


def rounded(images: Tensor) -> Tensor:
    return (images * 255).round() / 255


def detached(images: Tensor) -> Tensor:
    return images.detach() * 2


def through_numpy(images: Tensor) -> Tensor:
    return torch.from_numpy(np.asarray(images.detach().cpu()) * 2)


def rooted(images: Tensor) -> Tensor:
    return (images * 0).sqrt() + images


@pytest.mark.parametrize("broken", [rounded, detached, through_numpy, rooted])
def test_a_preprocess_that_breaks_the_gradient_is_refused_by_its_name_before_training(
    broken: Callable[[Tensor], Tensor],
) -> None:
    module = Counting()
    one = evaluator(**plain(preprocess=broken, methods=[Gradient()]))
    with pytest.raises(ValueError, match=f"Expected `preprocess` {broken.__name__} to ") as error:
        Trainer(**{**QUIET, "max_epochs": 1, "callbacks": [one]}).fit(module, loader(), loader())
    assert (module.steps, "\n" in str(error.value)) == (0, False)


def test_a_preprocess_that_cannot_be_undone_says_what_to_give() -> None:
    def doubled(images: Tensor) -> Tensor:
        return 2 * images

    module = Counting()
    one = evaluator(**plain(preprocess=doubled))
    with pytest.raises(ValueError, match="Give `preprocess` a method `invert`, or set `batch_to_images`"):
        Trainer(**{**QUIET, "max_epochs": 1, "callbacks": [one]}).fit(module, loader(), loader(doubled))
    assert module.steps == 0
    again = evaluator(**plain(preprocess=doubled, batch_to_images=lambda batch: (batch[0] / 2, batch[1])))
    Trainer(**{**QUIET, "callbacks": [again]}).validate(module, loader(doubled), verbose=False)
    explained = again._pipeline.explained
    assert explained is not None
    assert 0 <= float(explained.images.min()) < float(explained.images.max()) <= 1
