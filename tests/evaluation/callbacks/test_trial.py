"""What the first batch tells is refused at the first batch: in the sanity check, before any step of training."""

import pickle
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from lightning_spx.attribution import Attribution, GradCAM, Gradient, SmoothGrad
from lightning_spx.attribution.method import Model
from lightning_spx.attribution.targets import Target
from lightning_spx.evaluation import SaliencyEvaluator
from lightning_spx.evaluation.callbacks.trial import check_forward, check_labels, try_out
from lightning_spx.superpixels import Grid, Slic, Watershed
from tests.evaluation.callbacks.evaluator_cases import QUIET, Stranger, evaluator, loader, pictures


class Counting(LightningModule):
    """A module that counts its steps of training, with functions around its network."""

    def __init__(
        self,
        change: Callable[[Tensor], object] | None = None,
        take: Callable[[Any], Tensor] | None = None,
        channels: int = 3,
    ) -> None:
        super().__init__()
        self.net = Stranger(channels).net
        self.change = change
        self.take = take
        self.steps = 0

    def forward(self, images: Tensor) -> object:
        logits = self.net(images if self.take is None else self.take(images))
        return logits if self.change is None else self.change(logits)

    def training_step(self, batch: object, batch_idx: int) -> None:
        self.steps += 1

    def validation_step(self, batch: object, batch_idx: int) -> None:
        pass

    def test_step(self, batch: object, batch_idx: int) -> None:
        pass

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class TwoArguments(LightningModule):
    """A module whose `forward` needs more than images."""

    def forward(self, images: Tensor, mode: str) -> Tensor:
        return images


@dataclass(frozen=True)
class Picky(Attribution):
    """A method that cannot explain this model."""

    def attribute(self, model: Model, inputs: Tensor, target: Tensor | None) -> Tensor:
        raise TypeError("Expected a transformer, got Counting.")


class Rows(Dataset[dict[str, Tensor]]):
    def __init__(self, rows: Mapping[str, Tensor]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {key: value[index] for key, value in self.rows.items()}


def data(**changes: Tensor) -> DataLoader[Any]:
    images, labels = pictures(12)
    rows: dict[str, Tensor] = {"image": images, "label": labels, **changes}
    return DataLoader(Rows(rows), 6)


IMAGES = pictures(12)[0]
REFUSED: dict[str, tuple[Counting, DataLoader[Any], dict[str, Any], str]] = {
    "four channels": (
        Counting(channels=4),
        data(image=torch.rand(12, 4, 12, 12)),
        {"superpixels": [Watershed()]},
        r"RGB images \(N, 3, H, W\) for Watershed, got 4 channels: set `to_rgb`",
    ),
    "band": (
        Counting(channels=2),
        data(image=torch.rand(12, 2, 12, 12)),
        {"to_rgb": [0, 1, 2], "superpixels": [Watershed()]},
        r"`to_rgb` to be three band numbers from 0 to 1, got \[0, 1, 2\]",
    ),
    "mean": (Counting(), data(), {"mean": [0.5] * 4, "std": [0.5] * 4}, "`mean` and `std` to have 3 numbers, .* got 4"),
    "channels last": (
        Counting(take=lambda images: images.permute(0, 3, 1, 2)),
        data(image=IMAGES.permute(0, 2, 3, 1)),
        {},
        r"maps of at least 11x11 px for SSIM, got \(12, 3\)",
    ),
    "small images": (Counting(), data(image=IMAGES[..., :8, :8]), {}, "maps of at least 11x11 px for SSIM"),
    "not normalized": (Counting(), data(image=IMAGES * 4 - 2), {}, "Set `mean` and `std` of SaliencyEvaluator"),
    "mask": (Counting(), data(mask=torch.ones(12, 3, 12, 12)), {}, r"masks of shape \(N, H, W\)"),
    "label": (Counting(), data(label=torch.full((12,), 3)), {}, "labels from 0 to 2 beside the 3 logits of Counting"),
    "one logit": (
        Counting(lambda logits: logits[:, :1]),
        data(label=torch.arange(12) % 3),
        {},
        "labels from 0 to 1 beside the one logit of Counting, got 2",
    ),
    "takes batches": (
        Counting(take=lambda batch: batch["image"]),
        data(),
        {},
        r"Counting\.forward to take images \(N, C, H, W\) alone, got one that takes a whole batch: let `forward` take",
    ),
    "takes pairs": (
        Counting(take=lambda batch: batch[0]),
        DataLoader(TensorDataset(*pictures(12)), 6),
        {},
        "got one that takes a whole batch",
    ),
    "takes pairs apart": (
        Counting(take=lambda batch: (lambda images, label: images)(*batch)),
        DataLoader(TensorDataset(*pictures(12)), 2),
        {},
        "got one that takes a whole batch",
    ),
    "something else": (
        Counting(take=lambda batch: batch["pixels"]["image"]),
        data(),
        {},
        r"Counting\.forward to turn images \(N, C, H, W\) into logits, got I",
    ),
    "tuple": (Counting(lambda logits: ("features", logits)), data(), {}, "`forward` to return logits"),
    "dict": (Counting(lambda logits: {"output": logits}), data(), {}, "`forward` to return logits"),
    "maps": (Counting(lambda logits: logits[..., None, None]), data(), {}, r"Counting to return logits \(N, K\)"),
    "random": (Counting(lambda x: x + torch.rand_like(x)), data(), {}, "the same logits in every call"),
    "layer": (Counting(), data(), {"methods": [GradCAM(layer="nope")]}, "nope"),
    "layer at the end": (Counting(), data(), {"final_methods": [GradCAM(layer="nope")]}, "nope"),
    "method": (Counting(), data(), {"final_methods": [Picky()]}, "Expected a transformer"),
}


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def plain(**settings: object) -> SaliencyEvaluator:
    return evaluator(**{"mean": None, "std": None, "num_images": 6, **settings})


@pytest.mark.parametrize("case", REFUSED.values(), ids=list(REFUSED))
def test_it_is_refused_before_any_step_of_training(
    case: tuple[Counting, DataLoader[Any], dict[str, Any], str],
) -> None:
    module, images, settings, message = case
    trainer = Trainer(**{**QUIET, "max_epochs": 1, "callbacks": [plain(**settings)]})
    with pytest.raises((ValueError, TypeError, AttributeError), match=message) as error:
        trainer.fit(module, images, images)
    assert module.steps == 0
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["four channels", "small images", "label", "random", "layer at the end"])
def test_without_a_sanity_check_it_is_refused_at_the_first_validation(name: str) -> None:
    module, images, settings, message = REFUSED[name]
    trainer = Trainer(
        **{**QUIET, "max_epochs": 3, "num_sanity_val_steps": 0, "callbacks": [plain(every_n_epochs=2, **settings)]}
    )
    with pytest.raises((ValueError, TypeError, AttributeError), match=message):
        trainer.fit(module, images, images)
    assert trainer.current_epoch == 0


@pytest.mark.parametrize("name", ["four channels", "small images", "label"])
@pytest.mark.parametrize("loop", ["validate", "test"])
def test_validate_and_test_refuse_it_too(loop: str, name: str) -> None:
    module, images, settings, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        getattr(Trainer(**{**QUIET, "callbacks": [plain(**settings)]}), loop)(module, images, verbose=False)


def test_predict_refuses_channels_in_one_line() -> None:
    class Predicting(Stranger):
        def predict_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
            logits: Tensor = self(batch[0])
            return logits

    images = DataLoader(TensorDataset(torch.rand(4, 4, 12, 12)), 2)
    with pytest.raises(ValueError, match=r"RGB images \(N, 3, H, W\) for Watershed, got 4 channels: set `to_rgb`"):
        Trainer(**{**QUIET, "callbacks": [plain(superpixels=[Watershed()])]}).predict(Predicting(4), images)


def test_labels_that_are_not_explained_may_be_any() -> None:
    images = data(label=torch.full((12,), 7))
    trainer = Trainer(**{**QUIET, "max_epochs": 1, "callbacks": [plain(target="prediction")]})
    trainer.fit(Counting(), images, images)
    assert trainer.current_epoch == 1


def test_labels_of_later_batches_are_refused_when_images_are_chosen() -> None:
    labels = torch.arange(12) % 3
    labels[10] = 9
    images = data(label=labels)
    with pytest.raises(ValueError, match="labels from 0 to 2 beside the 3 logits of Counting, got 9"):
        Trainer(**{**QUIET, "callbacks": [plain(num_images=12)]}).validate(Counting(), images, verbose=False)
    check_labels(3, "Net", labels[:9])
    with pytest.raises(ValueError, match="beside the one logit of Net, got -1"):
        check_labels(None, "Net", torch.tensor([0, 1, -1]))


@pytest.mark.parametrize("masks", [True, False])
def test_a_batch_of_one_image_is_enough(masks: bool) -> None:
    images, labels = pictures(1)
    batch = {"image": images, "label": labels, **({"mask": images.mean(1) > 0.5} if masks else {})}
    settings = plain(superpixels=[Grid(9), Slic(n_segments=9)]).settings
    assert try_out(settings, Stranger().eval(), batch, settings.final_methods).masks == masks


class Draws(Gradient):
    """A method that draws from every global generator and forgets it."""

    def attribute(self, model: Model, inputs: Tensor, target: Target) -> Tensor:
        random.random()
        np.random.rand()
        torch.rand(1)
        return super().attribute(model, inputs, target)


def test_nothing_is_left_of_a_trial() -> None:
    def state() -> list[object]:
        parts = [*module.parameters(), *module.buffers()]
        generators = [random.getstate(), pickle.dumps(np.random.get_state()), torch.get_rng_state().tolist()]
        return [*((part.data_ptr(), part._version, part.tolist()) for part in parts), *generators]

    module = Stranger().eval()
    settings = plain(methods=[Draws()], final_methods=[SmoothGrad(num_samples=2)]).settings
    before = state()
    images, labels = pictures(6)
    kept = images.clone()
    try_out(settings, module, (images, labels), settings.final_methods)
    assert state() == before
    assert torch.equal(images, kept)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def test_weights_that_are_not_finite_yet_are_no_reason_to_refuse() -> None:
    class Recovers(Stranger):
        def on_train_epoch_start(self) -> None:
            with torch.no_grad():
                next(self.parameters()).fill_(0.1)

    module, one = Recovers(), evaluator()
    with torch.no_grad():
        next(module.parameters()).fill_(torch.nan)
    trainer = Trainer(**{**QUIET, "max_epochs": 1, "callbacks": [one]})
    trainer.fit(module, loader(), loader())
    assert len(one.history) == 1


def test_a_forward_that_needs_more_than_images_is_refused_when_the_trainer_is_set_up() -> None:
    message = r"Expected TwoArguments\.forward to take images alone, got forward\(images: .*missing a required argument"
    with pytest.raises(TypeError, match=message):
        evaluator().setup(Trainer(**QUIET), TwoArguments(), "fit")


def test_a_forward_may_have_arguments_that_need_no_value() -> None:
    class Optional(Stranger):
        def forward(self, images: Tensor, *rest: object, scale: float = 1.0, **others: object) -> Tensor:
            logits: Tensor = self.net(images) * scale
            return logits

    check_forward(Optional(), None)


def test_a_module_without_forward_is_refused() -> None:
    class Nameless(LightningModule):
        pass

    class Named(LightningModule):
        def forward(self, pixels: Tensor) -> Tensor:
            return pixels

    check_forward(Named(), None)
    with pytest.raises(TypeError, match=r"Expected Nameless to define `forward\(images\)`, .*, got none"):
        check_forward(Nameless(), None)
