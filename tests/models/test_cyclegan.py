"""CycleGAN: the published training, resumed bit for bit, in two processes and in bfloat16."""

import copy
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from lightning import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from PIL import Image
from torch import Tensor
from torch.nn import functional

from lightning_spx.data import UnpairedDataModule
from lightning_spx.models import CycleGAN, PatchDiscriminator, ResNetGenerator
from tests.data.test_unpaired import make_domains
from tests.processes import STRATEGY


def tiny(**settings: object) -> CycleGAN:
    sizes: dict[str, Any] = {
        "num_blocks": 1,
        "generator_channels": 4,
        "num_layers": 1,
        "discriminator_channels": 4,
        "pool_size": 3,
    }
    return CycleGAN(**{**sizes, **settings})


def quiet(**settings: object) -> Trainer:
    common: dict[str, Any] = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False}
    common |= {"enable_model_summary": False}
    return Trainer(**{**common, "enable_checkpointing": False, **settings})


def data(root: Path) -> UnpairedDataModule:
    return UnpairedDataModule(root, image_size=16, batch_size=2)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="sides divisible by 4, got 30 x 32 pixels"):
        ResNetGenerator(1, 2)(torch.rand(1, 3, 30, 32))
    with pytest.raises(ValueError, match="at least 24 pixels for 3 strided layers, got 16 x 16"):
        PatchDiscriminator(3, 2)(torch.rand(1, 3, 16, 16))
    with pytest.raises(ValueError, match="`num_blocks` to be at least 1, got 0"):
        CycleGAN(num_blocks=0)
    with pytest.raises(ValueError, match="`region` within 4 x 4 patches"):
        tiny().score("discriminator_a", (0, 0, 9, 9))(torch.rand(1, 3, 12, 12))


def test_one_backward_pass_is_the_published_alternation(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = tiny(pool_size=0)
    reference = copy.deepcopy(model)
    batch = {"image_a": torch.rand(2, 3, 16, 16), "image_b": torch.rand(2, 3, 16, 16)}
    optimizers, _ = model.configure_optimizers()
    with (
        mock.patch.object(model, "log"),
        mock.patch.object(model, "log_dict"),
        mock.patch.object(model, "optimizers", return_value=optimizers),
        mock.patch.object(model, "manual_backward", torch.autograd.backward),
    ):
        model.training_step(batch, 0)

    alternate(reference, batch)
    for (name, mine), theirs in zip(model.named_parameters(), reference.parameters(), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-6), name


def alternate(model: CycleGAN, batch: dict[str, Tensor]) -> None:
    """A step as published: the generators before frozen discriminators, then each discriminator, in [-1, 1]."""
    (of_generators, of_discriminators), _ = model.configure_optimizers()
    real_a, real_b = batch["image_a"], batch["image_b"]
    fake_b, fake_a = model.generator_ab(real_a), model.generator_ba(real_b)
    judged_a, judged_b = model.discriminator_a(fake_a), model.discriminator_b(fake_b)
    loss = functional.mse_loss(judged_a, torch.ones_like(judged_a))
    loss = loss + functional.mse_loss(judged_b, torch.ones_like(judged_b))
    for real, back, same in (
        (real_a, model.generator_ba(fake_b), model.generator_ba(real_a)),
        (real_b, model.generator_ab(fake_a), model.generator_ab(real_b)),
    ):
        loss = loss + 10 * (2 * back - 1 - (2 * real - 1)).abs().mean()
        loss = loss + 5 * (2 * same - 1 - (2 * real - 1)).abs().mean()
    of_generators.zero_grad()
    torch.autograd.backward(loss)
    of_generators.step()
    of_discriminators.zero_grad()
    for network, real, fake in ((model.discriminator_a, real_a, fake_a), (model.discriminator_b, real_b, fake_b)):
        on_real, on_fake = network(real), network(fake.detach())
        half = (on_real - 1).square().mean() / 2 + on_fake.square().mean() / 2
        torch.autograd.backward(half)
    of_discriminators.step()


class StopAfter(Callback):
    """Stop a run of more epochs after a few."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.should_stop = trainer.current_epoch + 1 >= self.epochs


def test_a_resumed_training_ends_bit_for_bit_where_an_undisturbed_one_does(tmp_path: Path) -> None:
    make_domains(tmp_path / "photos")
    states = []
    for epochs in ([4], [2, 4]):
        checkpoint = None
        for end in epochs:
            seed_everything(0, verbose=False)
            keep = ModelCheckpoint(tmp_path / f"{epochs}", filename=f"{end}", save_top_k=1)
            # a run of four epochs that is stopped after two, and goes on
            trainer = quiet(max_epochs=4, callbacks=[keep, StopAfter(end)], enable_checkpointing=True)
            trainer.fit(tiny(), datamodule=data(tmp_path / "photos"), ckpt_path=checkpoint, weights_only=True)
            checkpoint = keep.best_model_path
        content = torch.load(checkpoint or "", weights_only=True)
        states.append(content)
    whole, resumed = states
    assert whole["epoch"] == resumed["epoch"] == 3
    for key in ("state_dict", "optimizer_states", "pools"):
        assert_equal(whole[key], resumed[key])
    assert len(whole["pools"][0]["a"]["images"]) == 3


def assert_equal(first: object, second: object) -> None:
    if isinstance(first, Tensor):
        assert isinstance(second, Tensor)
        assert torch.equal(first, second)
    elif isinstance(first, dict):
        assert isinstance(second, dict)
        assert first.keys() == second.keys()
        for key in first:
            assert_equal(first[key], second[key])
    elif isinstance(first, list | tuple):
        assert isinstance(second, list | tuple)
        for one, other in zip(first, second, strict=True):
            assert_equal(one, other)
    else:
        assert first == second


class CycleLosses(Callback):
    """The cycle loss of every epoch."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.losses.append(float(trainer.callback_metrics["train/cycle"]))


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_training_lowers_the_cycle_loss(tmp_path: Path, precision: str) -> None:
    generator = np.random.default_rng(0)
    for name in ("trainA", "trainB", "testA", "testB"):
        (tmp_path / name).mkdir()
        for number in range(4):
            coarse = generator.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((16, 16), Image.Resampling.BICUBIC).save(tmp_path / name / f"{number}.png")
    seed_everything(0, verbose=False)
    model = tiny(generator_channels=8, optimizer=partial(torch.optim.Adam, lr=5e-3))
    history = CycleLosses()
    trainer = quiet(max_epochs=40, precision=precision, callbacks=[history])
    trainer.fit(model, datamodule=data(tmp_path))
    assert all(bool(value.isfinite()) for value in trainer.callback_metrics.values())
    assert history.losses[-1] < 0.7 * history.losses[0]
    assert 0 <= float(trainer.callback_metrics["val/discriminator_a_auc"]) <= 1


def test_two_processes_train_alike_and_have_pools_of_their_own(tmp_path: Path) -> None:
    make_domains(tmp_path / "photos")
    seed_everything(0, verbose=False)
    trainer = quiet(
        max_epochs=2,
        strategy=STRATEGY,
        devices=2,
        callbacks=[ModelCheckpoint(tmp_path / "kept", filename="last")],
        enable_checkpointing=True,
    )
    trainer.fit(tiny(), datamodule=data(tmp_path / "photos"))
    content = torch.load(tmp_path / "kept" / "last.ckpt", weights_only=True)
    first, second = content["pools"]
    assert not torch.equal(torch.stack(first["a"]["images"]), torch.stack(second["a"]["images"]))
    assert all(bool(value.isfinite().all()) for value in content["state_dict"].values())
    # 3 pairs each of 6, 2 at a time: 2 steps an epoch by 2 optimizers
    assert content["global_step"] == 8


def test_checkpoints_load_by_themselves(tmp_path: Path) -> None:
    make_domains(tmp_path / "photos")
    trainer = quiet(max_epochs=1)
    model = tiny()
    trainer.fit(model, datamodule=data(tmp_path / "photos"))
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    validated = trainer.validate(model, datamodule=data(tmp_path / "photos"), verbose=False)[0]
    tested = quiet().test(tiny(), data(tmp_path / "photos"), tmp_path / "model.ckpt", verbose=False)[0]
    assert {name.removeprefix("test/"): value for name, value in tested.items()} == pytest.approx(
        {name.removeprefix("val/"): value for name, value in validated.items()}, nan_ok=True
    )
    loaded = CycleGAN.load_from_checkpoint(tmp_path / "model.ckpt", weights_only=True)
    images = torch.rand(2, 3, 16, 16)
    assert torch.equal(loaded.translate(images, to="a"), model.translate(images, to="a"))
    assert torch.equal(loaded.score("discriminator_b")(images), model.score("discriminator_b")(images))
