"""CycleGAN: two generators that translate between two sets of photos, and the discriminators that judge them."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Literal, cast

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, distributed, nn
from torch.func import functional_call
from torch.nn import functional
from torch.optim import Optimizer

from lightning_spx.models.cyclegan_networks import PatchDiscriminator, ResNetGenerator
from lightning_spx.models.image_pool import ImagePool
from lightning_spx.models.patch_score import PatchScore, Region
from lightning_spx.models.schedule import linear_decay
from lightning_spx.models.separation import SeparationAUC

OptimizerCallable = Callable[[Iterable[nn.Parameter]], Optimizer]
Part = Literal["discriminator_a", "discriminator_b"]
PUBLISHED_OPTIMIZER = partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999))


class CycleGAN(LightningModule):
    """Trains two generators and two discriminators on unpaired images (Zhu et al., ICCV 2017).

    A batch is a mapping with `image_a` and `image_b`, `(N, 3, S, S)` in [0, 1], as `UnpairedDataModule` gives it. The
    losses are least squares for the discriminators, and L1 for cycle and identity. It logs all losses (`train/cycle`,
    `train/identity`, `train/generators`, `train/discriminator_a`, ...), and on validation images `val/cycle` and each
    discriminator's AUC of real against translated images with its 95 % interval (`val/discriminator_a_auc`, `..._low`,
    `..._high`); for test images the same under `test/`.

    Two optimizers step manually after one backward pass. A discriminator's loss does not depend on the generators'
    step, because its images were translated before; so this equals the published alternation, and works under `ddp`.

    Args:
        num_blocks: number of residual blocks of a generator; 9 for 256 px, 6 for 128 px and below.
        generator_channels: number of channels of a generator's first layer.
        num_layers: number of strided layers of a discriminator; 3 gives patches of 70 x 70 px, 2 of 34 x 34 px.
        discriminator_channels: number of channels of a discriminator's first layer.
        cycle_weight: weight of the cycle loss, not negative.
        identity_weight: weight of the identity loss as a fraction of `cycle_weight`, not negative.
        pool_size: number of translated images that are kept for each discriminator.
        optimizer: makes an optimizer from parameters, once for the generators and once for the discriminators; None
            uses Adam with learning rate 2e-4 and beta_1 0.5.
        decay_start: fraction of the epochs after which the learning rate falls linearly to zero, in [0, 1].
        seed: seeds the draws from the pools.

    Raises:
        ValueError: if a number is out of its range.

    Example:
        >>> model = CycleGAN(num_blocks=1, generator_channels=4, discriminator_channels=4)
        >>> model.translate(torch.rand(1, 3, 32, 32), to="b").shape, model.score("discriminator_a")(
        ...     torch.rand(2, 3, 32, 32)
        ... ).shape
        (torch.Size([1, 3, 32, 32]), torch.Size([2]))
    """

    def __init__(
        self,
        num_blocks: int = 9,
        generator_channels: int = 64,
        num_layers: int = 3,
        discriminator_channels: int = 64,
        cycle_weight: float = 10.0,
        identity_weight: float = 0.5,
        pool_size: int = 50,
        optimizer: OptimizerCallable | None = None,
        decay_start: float = 0.5,
        seed: int = 0,
    ) -> None:
        super().__init__()
        for name, value in (("cycle_weight", cycle_weight), ("identity_weight", identity_weight)):
            if not value >= 0:
                raise ValueError(f"Expected `{name}` to be at least 0, got {value}.")
        if not 0 <= decay_start <= 1:
            raise ValueError(f"Expected `decay_start` to be in [0, 1], got {decay_start}.")
        self.save_hyperparameters(ignore=["optimizer"])
        if "_instantiator" in self.hparams:
            # Lightning's command line passes plain settings instead of the objects made from them
            self.save_hyperparameters()
        else:
            # `test --ckpt_path` of that command line reads the class from the checkpoint
            self.hparams["_class_path"] = f"{type(self).__module__}.{type(self).__qualname__}"
        self.automatic_optimization = False
        self.generator_ab = ResNetGenerator(num_blocks, generator_channels)
        self.generator_ba = ResNetGenerator(num_blocks, generator_channels)
        self.discriminator_a = PatchDiscriminator(num_layers, discriminator_channels)
        self.discriminator_b = PatchDiscriminator(num_layers, discriminator_channels)
        self.cycle_weight = cycle_weight
        self.identity_weight = identity_weight
        self.optimizer = optimizer
        self.decay_start = decay_start
        self.pool_a = ImagePool(pool_size, 2 * seed)
        self.pool_b = ImagePool(pool_size, 2 * seed + 1)
        self.auc_a = SeparationAUC()
        self.auc_b = SeparationAUC()
        self._pools: list[dict[str, Any]] = []

    def forward(self, images: Tensor) -> Tensor:
        """Translate images `(N, 3, H, W)` of A to B."""
        return self.translate(images, to="b")

    def translate(self, images: Tensor, to: Literal["a", "b"]) -> Tensor:
        """Translate images `(N, 3, H, W)` in [0, 1] of the other set to this set."""
        generator = self.generator_ba if to == "a" else self.generator_ab
        translated: Tensor = generator(images)
        return translated

    def score(self, part: Part, region: Region | None = None) -> PatchScore:
        """Return a discriminator as a model that gives each image one score and can be explained like a classifier.

        Args:
            part: the discriminator.
            region: region of patches, see `PatchScore`; None takes the mean over all.

        Raises:
            ValueError: if the part does not exist.
        """
        if part not in ("discriminator_a", "discriminator_b"):
            raise ValueError(f"Expected `part` to be 'discriminator_a' or 'discriminator_b', got {part!r}.")
        return PatchScore(self.discriminator_a if part == "discriminator_a" else self.discriminator_b, region)

    def training_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> None:
        """Update the generators and the discriminators by one step each."""
        real_a, real_b = batch["image_a"], batch["image_b"]
        fake_a, fake_b = self.generator_ba(real_b), self.generator_ab(real_a)
        # doubled, because the published L1 losses are for images in [-1, 1]
        losses = {
            "generator_ab": _to_one(_frozen(self.discriminator_b, fake_b)),
            "generator_ba": _to_one(_frozen(self.discriminator_a, fake_a)),
            "cycle": functional.l1_loss(2 * self.generator_ba(fake_b), 2 * real_a)
            + functional.l1_loss(2 * self.generator_ab(fake_a), 2 * real_b),
            "identity": torch.zeros((), device=self.device),
        }
        if self.identity_weight:
            losses["identity"] = functional.l1_loss(2 * self.generator_ba(real_a), 2 * real_a) + functional.l1_loss(
                2 * self.generator_ab(real_b), 2 * real_b
            )
        generators = losses["generator_ab"] + losses["generator_ba"]
        generators = generators + self.cycle_weight * (losses["cycle"] + self.identity_weight * losses["identity"])
        losses["discriminator_a"] = _judge(self.discriminator_a, real_a, self.pool_a.query(fake_a))
        losses["discriminator_b"] = _judge(self.discriminator_b, real_b, self.pool_b.query(fake_b))
        total = generators + losses["discriminator_a"] + losses["discriminator_b"]
        if not total.isfinite():
            raise ValueError(
                f"Expected finite losses, got {total.item()} in batch {batch_idx}: lower the learning rate."
            )
        optimizers = self._optimizers()
        for optimizer in optimizers:
            optimizer.zero_grad()
        self.manual_backward(total)
        for optimizer in optimizers:
            optimizer.step()
        logged = {f"train/{name}": loss.detach() for name, loss in {**losses, "generators": generators}.items()}
        size = len(real_a)
        self.log_dict(logged, on_step=False, on_epoch=True, sync_dist=True, batch_size=size)
        self.log("cycle", losses["cycle"].detach(), prog_bar=True, logger=False, batch_size=size)

    def on_train_epoch_start(self) -> None:
        """Set the epoch's learning rate, which depends only on its number, so that a resumed run has the same."""
        num_epochs = self.trainer.max_epochs
        if num_epochs is None or num_epochs < 1:
            if self.decay_start < 1:
                raise ValueError(f"Expected `max_epochs` of the trainer for the schedule, got {num_epochs}.")
            num_epochs = self.current_epoch + 1
        factor = linear_decay(self.current_epoch, num_epochs, self.decay_start)
        for optimizer in self._optimizers():
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])
                group["lr"] = group["initial_lr"] * factor
        self.log("train/learning_rate_factor", factor, sync_dist=True)

    def validation_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> None:
        """Log the cycle loss, and collect the discriminators' scores."""
        self._evaluate(batch, "val")

    def test_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> None:
        """Log the cycle loss, and collect the discriminators' scores."""
        self._evaluate(batch, "test")

    def _evaluate(self, batch: Mapping[str, Tensor], stage: str) -> None:
        real_a, real_b = batch["image_a"], batch["image_b"]
        fake_a, fake_b = self.generator_ba(real_b), self.generator_ab(real_a)
        cycle = functional.l1_loss(2 * self.generator_ba(fake_b), 2 * real_a)
        cycle = cycle + functional.l1_loss(2 * self.generator_ab(fake_a), 2 * real_b)
        self.auc_a.update(self.score("discriminator_a")(real_a), self.score("discriminator_a")(fake_a))
        self.auc_b.update(self.score("discriminator_b")(real_b), self.score("discriminator_b")(fake_b))
        self.log(f"{stage}/cycle", cycle, prog_bar=True, sync_dist=True, batch_size=len(real_a))

    def on_validation_epoch_end(self) -> None:
        """Log each discriminator's AUC, real against translated, with its interval."""
        self._log_auc("val")

    def on_test_epoch_end(self) -> None:
        """Log each discriminator's AUC, real against translated, with its interval."""
        self._log_auc("test")

    def _log_auc(self, stage: str) -> None:
        for part, metric in (("discriminator_a", self.auc_a), ("discriminator_b", self.auc_b)):
            auc, low, high = metric.compute()
            metric.reset()
            values = {f"{stage}/{part}_auc": auc, f"{stage}/{part}_auc_low": low, f"{stage}/{part}_auc_high": high}
            # already the same on all processes
            self.log_dict({name: value.to(self.device) for name, value in values.items()}, sync_dist=True)

    def predict_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> dict[str, Tensor]:
        """Return the translations `image_ab` and `image_ba` of those of `image_a` and `image_b` that the batch has."""
        found = {"image_ab": ("image_a", self.generator_ab), "image_ba": ("image_b", self.generator_ba)}
        return {name: generator(batch[source]) for name, (source, generator) in found.items() if source in batch}

    def configure_optimizers(self) -> tuple[list[Optimizer], list[Any]]:
        """Return the optimizer of the generators and the one of the discriminators."""
        make = self.optimizer or PUBLISHED_OPTIMIZER
        groups = ((self.generator_ab, self.generator_ba), (self.discriminator_a, self.discriminator_b))
        return [make([p for network in group for p in network.parameters()]) for group in groups], []

    def on_fit_start(self) -> None:
        """Restore each process's own pools from a checkpoint; processes without one start with empty pools."""
        if len(self._pools) == self.trainer.world_size:
            own = self._pools[self.global_rank]
            self.pool_a.load(own["a"], self.device)
            self.pool_b.load(own["b"], self.device)
        self._pools = []

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the pools of all processes, so that training resumes bit for bit."""
        own = {"a": self.pool_a.state(), "b": self.pool_b.state()}
        pools: list[Any] = [own]
        if distributed.is_available() and distributed.is_initialized():
            pools = [None] * distributed.get_world_size()
            distributed.all_gather_object(pools, own)
        checkpoint["pools"] = pools

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember the pools until the device is known."""
        self._pools = checkpoint.get("pools", [])

    def _optimizers(self) -> list[Any]:
        return cast("list[Any]", self.optimizers())


def _frozen(discriminator: nn.Module, images: Tensor) -> Tensor:
    """Score images without gradients for the discriminator, because this loss trains only the generator."""
    weights = {name: value.detach() for name, value in discriminator.named_parameters()}
    scores: Tensor = functional_call(discriminator, weights, (images,))
    return scores


def _to_one(scores: Tensor) -> Tensor:
    return functional.mse_loss(scores, torch.ones_like(scores))


def _judge(discriminator: nn.Module, real: Tensor, translated: Tensor) -> Tensor:
    of_translated = discriminator(translated)
    return (_to_one(discriminator(real)) + functional.mse_loss(of_translated, torch.zeros_like(of_translated))) / 2
