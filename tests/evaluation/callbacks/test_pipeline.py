"""What the callback makes of images, models and references that are not the usual ones: a behavior, or one line."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import LightningModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from lightning_spx.attribution import Gradient, input_gradient, saliency_map
from lightning_spx.data import ArrayImages
from lightning_spx.evaluation import SaliencyEvaluator
from lightning_spx.metrics import pointing_game
from lightning_spx.superpixels import Grid
from tests.evaluation.callbacks.evaluator_cases import QUIET, Stranger, evaluator, loader, pictures, reference


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_masks_say_where_the_maps_lie() -> None:
    images, labels = pictures(12)
    mask = images.mean(1) > 0.5
    data = ArrayImages((images * 255).round().byte().permute(0, 2, 3, 1).numpy(), labels.numpy(), mask.numpy())
    one = SaliencyEvaluator(superpixels=[Grid(9)], num_images=12)

    class Unmeasured(Stranger):
        def validation_step(self, batch: object, batch_idx: int) -> None:
            pass

    module = Unmeasured()
    logged = Trainer(**{**QUIET, "callbacks": [one]}).validate(module, DataLoader(data, batch_size=5), verbose=False)[0]
    shown = torch.stack([data[number]["image"] for number in range(12)])
    maps = saliency_map(input_gradient(module, shown, labels))
    expected = pointing_game(maps, mask).nanmean().item()
    assert logged["val/pointing_game/Gradient/value"] == pytest.approx(expected, abs=1e-6)
    assert {"val/mass_accuracy/S-Gradient/Grid/value", "val/mask_auc/Gradient/value"} <= logged.keys()


def test_one_channel_images_are_segmented_as_gray_ones() -> None:
    images, labels = pictures(12, channels=1)
    one = SaliencyEvaluator(num_images=12, references=["previous"])
    trainer = Trainer(**{**QUIET, "max_epochs": 2, "callbacks": [one]})
    data = DataLoader(TensorDataset(images, labels), 6)
    trainer.fit(Stranger(channels=1), data, data)
    assert "saliency_ssim/S-Gradient/Slic" in one.history[1]


def test_images_of_other_sizes_are_passed_over_with_a_warning() -> None:
    class Sizes(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
        def __len__(self) -> int:
            return 8

        def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
            size = 12 if index % 2 == 0 else 16
            return torch.rand(3, size, size), torch.tensor(index % 3)

    one = SaliencyEvaluator(superpixels=[Grid(9)], num_images=8)
    with pytest.warns(UserWarning, match=r"images of one size, \(12, 12\) as the first one's: 4 of other sizes"):
        Trainer(**{**QUIET, "callbacks": [one]}).validate(Stranger(), DataLoader(Sizes()), verbose=False)
    explained = one._pipeline.explained
    assert explained is not None
    assert len(explained.images) == 4


def test_a_loader_with_fewer_images_gives_all_it_has_and_one_image_is_too_few() -> None:
    one = evaluator(num_images=64)
    Trainer(**{**QUIET, "callbacks": [one]}).validate(Stranger(), loader(5), verbose=False)
    explained = one._pipeline.explained
    assert explained is not None
    assert len(explained.images) == 5
    with pytest.warns(UserWarning, match="needs at least 2 images and its loader gave 1"):
        Trainer(**{**QUIET, "callbacks": [evaluator()]}).validate(Stranger(), loader(1), verbose=False)


def test_a_model_that_returns_a_tuple_is_explained_by_its_first_entry(tmp_path: Path) -> None:
    class Twice(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = Stranger().net

        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            return self.net(images), images

        def validation_step(self, batch: Sequence[Tensor], batch_idx: int) -> None:
            pass

    path = reference(tmp_path)
    torch.manual_seed(0)
    plain, twice = Stranger(), Twice()
    twice.load_state_dict(plain.state_dict())
    logged = []
    module: LightningModule
    for module in (plain, twice):
        one = evaluator(references=[path])
        logged.append(Trainer(**{**QUIET, "callbacks": [one]}).validate(module, loader(), verbose=False)[0])
    assert logged[1]["val/saliency_ssim/Gradient/value"] == logged[0]["val/saliency_ssim/Gradient/value"]


def refused(module: LightningModule, one: SaliencyEvaluator, data: DataLoader[Any] | None = None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Trainer(**{**QUIET, "max_epochs": 1, "callbacks": [one]}).fit(module, loader(), data or loader())


def test_bad_references_are_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"Expected a checkpoint at nowhere\.ckpt, found none"):
        refused(Stranger(), evaluator(references=["nowhere.ckpt"]))
    path = reference(tmp_path, module=Stranger(num_classes=5))
    with pytest.raises(
        ValueError, match=r"the reference .*other\.ckpt to fit Stranger, got net\.6\.weight of shape \(5, "
    ):
        refused(Stranger(), evaluator(references=[path]))


def test_images_that_are_not_restored_are_refused_with_the_argument_to_set() -> None:
    with pytest.raises(ValueError, match=r"Expected images in \[0, 1\], got .* Set `mean` and `std` of SaliencyEval"):
        refused(Stranger(), evaluator(mean=None, std=None))


def test_a_module_without_forward_is_refused() -> None:
    class Silent(LightningModule):
        pass

    with pytest.raises(TypeError, match=r"Expected Silent to define `forward\(images\)`"):
        evaluator().setup(Trainer(**QUIET), Silent(), "fit")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"every_n_epochs": 0}, "Expected `every_n_epochs` to be at least 1, got 0"),
        ({"num_images": 1}, "Expected `num_images` to be at least 2, got 1"),
        ({"batch_size": 0}, "Expected `batch_size` to be at least 1, got 0"),
        ({"std": None}, "Expected `mean` and `std` to be of equal length or both None"),
        ({"methods": [Gradient(), Gradient()]}, "got Gradient twice"),
    ],
)
def test_settings_out_of_range_are_refused(changes: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluator(**changes)
