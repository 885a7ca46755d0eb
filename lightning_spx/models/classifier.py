"""The classifier: any network, trained by Lightning on images in [0, 1]."""

import copy
import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, Self

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from torchmetrics.classification import MulticlassAccuracy

from lightning_spx.models.finding_scores import FindingScores, finding_names, keys_of
from lightning_spx.models.heads import HeadLoss, check_labels, predictions
from lightning_spx.models.image_model import Head, logits_of
from lightning_spx.models.model_input import input_keyword
from lightning_spx.models.normalize import IMAGENET_MEAN, IMAGENET_STD, Normalize
from lightning_spx.models.said_normalization import normalized_as_trained, warn_of_another
from lightning_spx.models.schedule import warmup_cosine
from lightning_spx.models.weights import load_weights, own_state

# not Lightning's types of the same names: importing them loads its command line and jsonargparse
OptimizerCallable = Callable[[Iterable[nn.Parameter]], Optimizer]
LRSchedulerCallable = Callable[[Optimizer], LRScheduler]
Device = torch.device | str | int
MapLocation = Device | Callable[[torch.UntypedStorage, str], torch.UntypedStorage | None] | dict[Device, Device] | None
Batch = Mapping[str, Tensor] | Sequence[Tensor]

# arguments that Python code passes as objects, which a checkpoint does not contain
LIVE_ARGUMENTS = ["network", "optimizer", "scheduler"]
NETWORK = "network."  # prefix of the names of its weights


class ImageClassifier(LightningModule):
    """Trains and tests a network on images in [0, 1] and their labels.

    A batch is a mapping with `image` `(N, C, H, W)` and `label`, or a pair of these. `single_label` trains with
    cross-entropy of classes `(N,)`, or with binary cross-entropy if the network has one output, and logs `train/loss`,
    `val/loss`, `val/accuracy`, `test/loss` and `test/accuracy` over all processes. `multi_label` trains with binary
    cross-entropy of findings `(N, K)`, those said to be present (1) or absent (0) and not NaN, and logs in the place of
    accuracy `val/auroc/<finding>`, `val/average_precision/<finding>` and the mean `val/auroc`, and so for `test/`. A
    finding that no image has, or all have, gets NaN and is left out of the mean. `predict` returns `logits`.

    If the command line builds it, all settings are in the checkpoint and `load_from_checkpoint(path)` works. If Python
    code builds it, network, optimizer and scheduler are objects, which the checkpoint does not contain: use
    `load_from_checkpoint(path, network=...)`.

    Args:
        network: maps normalized images `(N, C, H, W)` to logits `(N, K)`, alone or within what it returns; `(N,)` or
            `(N, 1)` of a binary classifier is the logit of class 1.
        optimizer: makes the optimizer from the parameters; None uses AdamW with torch's defaults.
        scheduler: makes a schedule from the optimizer, stepped once per epoch. With None, the learning rate rises
            linearly over `warmup_fraction` of the steps of the run, then falls to zero as half a cosine; it changes
            with every batch.
        warmup_fraction: fraction of the steps with a rising learning rate, in [0, 1); only without `scheduler`.
        mean: channel means, subtracted from the images in the first layer; one per channel, or one for all.
        std: channel standard deviations, by which the first layer divides.
        label_smoothing: fraction of the target probability that is spread over all classes, in [0, 1]; present and
            absent are the two classes of a finding.
        compile: whether to compile the network; the names in the checkpoint stay the same.
        head: `single_label` for one class per image, or `multi_label` for one logit for each finding.
        output: what picks the logits out of the network's output: a name or a position; None takes a tensor, the first
            entry of a tuple, or `logits`.
        input_name: keyword of the network's `forward` that takes images; None recognizes the usual ones.

    Raises:
        ValueError: if a number is out of its range, or the head is `scalar`, which has no classes.

    Warns:
        UserWarning: `mean` and `std` differ from the normalization that the network says its weights were trained with.

    Example:
        >>> from lightning_spx.models import SmallResNet
        >>> classifier = ImageClassifier(SmallResNet(num_classes=10))
        >>> classifier(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: OptimizerCallable | None = None,
        scheduler: LRSchedulerCallable | None = None,
        warmup_fraction: float = 0.2,
        mean: tuple[float, ...] = IMAGENET_MEAN,
        std: tuple[float, ...] = IMAGENET_STD,
        label_smoothing: float = 0.0,
        compile: bool = False,
        head: Head = "single_label",
        output: int | str | None = None,
        input_name: str | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= warmup_fraction < 1:
            raise ValueError(f"Expected `warmup_fraction` to be in [0, 1), got {warmup_fraction}.")
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"Expected `label_smoothing` to be in [0, 1], got {label_smoothing}.")
        if head not in ("single_label", "multi_label"):
            raise ValueError(f"Expected `head` of a classifier to be single_label or multi_label, got {head!r}.")
        self.save_hyperparameters(ignore=LIVE_ARGUMENTS)
        if "_instantiator" in self.hparams:
            # Lightning's command line passes plain settings instead of the objects made from them
            self.save_hyperparameters()
        else:
            # `test --ckpt_path` of that command line reads the class from the checkpoint
            self.hparams["_class_path"] = f"{type(self).__module__}.{type(self).__qualname__}"
        warn_of_another(network, mean, std)
        self.normalize = Normalize(mean, std)
        self.network = network
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.warmup_fraction = warmup_fraction
        self.compile_network = compile
        self.head: Head = head
        self.output = output
        self._keyword = input_keyword(network, input_name)
        self.loss = HeadLoss(label_smoothing)
        self.val_accuracy = MulticlassAccuracy(average="micro")
        self.test_accuracy = MulticlassAccuracy(average="micro")
        # of the stage that runs, validation or test
        self.finding_scores = FindingScores()

    def setup(self, stage: str) -> None:
        """Compile the network in place, in every process, if `compile` is set."""
        if self.compile_network:
            self.network.compile()

    def forward(self, images: Tensor) -> Tensor:
        """Return logits `(N, K)`, or `(N,)` of a binary classifier, for images `(N, C, H, W)` in [0, 1]."""
        return logits_of(self.network, self.normalize(images), self._keyword, self.output, self.head)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Compute and log the loss of a batch."""
        loss, _, label = self._step(batch)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(label))
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget the findings of images before."""
        self.finding_scores.reset()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss, and accuracy of classes."""
        self._evaluate(batch, "val", self.val_accuracy)

    def on_validation_epoch_end(self) -> None:
        """Log the scores of findings."""
        self._log_findings("val")

    def on_test_epoch_start(self) -> None:
        """Forget the findings of images before."""
        self.finding_scores.reset()

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss, and accuracy of classes."""
        self._evaluate(batch, "test", self.test_accuracy)

    def on_test_epoch_end(self) -> None:
        """Log the scores of findings."""
        self._log_findings("test")

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return a dict with `logits` `(N, K)`, to which callbacks may add; the batch needs no labels."""
        return {"logits": self(batch["image"] if isinstance(batch, Mapping) else batch[0])}

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return the optimizer and its schedule."""
        optimizer = (self.optimizer or torch.optim.AdamW)(self.parameters())
        if self.scheduler is not None:
            return {"optimizer": optimizer, "lr_scheduler": self.scheduler(optimizer)}
        num_steps = self.trainer.estimated_stepping_batches
        if math.isinf(num_steps):
            raise ValueError("Expected `max_epochs` or `max_steps` of the trainer to be set, or a `scheduler` given.")
        factor = partial(warmup_cosine, num_steps=int(num_steps), warmup_fraction=self.warmup_fraction)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": LambdaLR(optimizer, factor), "interval": "step"}}

    @classmethod
    def load_from_checkpoint(
        cls,
        checkpoint_path: str | Path | IO[bytes],
        map_location: MapLocation = None,
        hparams_file: str | Path | None = None,
        strict: bool | None = None,
        weights_only: bool | None = True,
        **kwargs: object,
    ) -> Self:
        """Return the classifier of a checkpoint.

        Args:
            checkpoint_path: a checkpoint written by Lightning.
            map_location: the device for the tensors, as in `torch.load`.
            hparams_file: as in Lightning's method.
            strict: whether to refuse missing and unexpected weights (default).
            weights_only: whether to refuse to run code from the file (default).
            kwargs: arguments of the constructor that replace those of the checkpoint, such as `network`.

        Raises:
            ValueError: if the checkpoint contains no network and none is given, or its weights are of another
                architecture.
        """
        try:
            with normalized_as_trained():
                return super().load_from_checkpoint(
                    checkpoint_path, map_location, hparams_file, strict, weights_only, **kwargs
                )
        except TypeError as error:
            if "network" in kwargs or "'network'" not in str(error):
                raise
            raise ValueError(
                f"Expected {checkpoint_path} to name its network, but it was trained from Python code: "
                f"call `{cls.__name__}.load_from_checkpoint(path, network=...)`."
            ) from error
        except RuntimeError as error:
            if "loading state_dict" not in str(error):
                raise
            first, *others = [line.strip() for line in str(error).splitlines()[1:]]
            raise ValueError(
                f"Expected {checkpoint_path} to fit the network: {first} ({len(others)} more of the kind)"
            ) from error

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Accept weights under wrappers' names too; name the file if they are of another architecture."""
        checkpoint["state_dict"] = own_state(self, checkpoint["state_dict"])
        if self._trainer is None or not self.strict_loading:
            return
        state = checkpoint["state_dict"]
        own = {name: value for name, value in state.items() if name.startswith(NETWORK)}
        try:
            # Lightning would do so next, but its error has many lines and does not name the file
            load_weights(nn.ModuleDict({"network": copy.deepcopy(self.network)}), own)
        except ValueError as error:
            raise ValueError(
                f"Expected {self.trainer.ckpt_path} to fit {type(self.network).__name__}, got {error}."
            ) from error

    def _step(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        image, label = (batch["image"], batch["label"]) if isinstance(batch, Mapping) else batch
        logits = self(image)
        check_labels(logits, label, self.head)
        if self.head == "multi_label":
            self._names(logits.shape[1])
        return self.loss(logits, label), logits, label

    def _evaluate(self, batch: Batch, stage: str, accuracy: MulticlassAccuracy) -> None:
        loss, logits, label = self._step(batch)
        if self.head == "multi_label":
            self.finding_scores.update(logits, label)
            # the mean over all labels that are said, whatever the batches
            num_said = int((~label.isnan()).sum())
            self.log(f"{stage}/loss", loss, prog_bar=True, sync_dist=True, batch_size=num_said)
            return
        accuracy.update(predictions(logits), label)
        self.log(f"{stage}/loss", loss, prog_bar=True, sync_dist=True, batch_size=len(label))
        self.log(f"{stage}/accuracy", accuracy, prog_bar=True, batch_size=len(label))

    def _log_findings(self, stage: str) -> None:
        if self.head != "multi_label":
            return
        # torchmetrics makes a number of a tensor with one entry
        scores = {measure: values.reshape(-1) for measure, values in self.finding_scores.compute().items()}
        names = self._names(len(scores["auroc"]))
        for key, value in keys_of(scores, names).items():
            # the same in all processes, and every logger's own process has it
            self.log(f"{stage}/{key}", value, prog_bar=key == "auroc", sync_dist=True)
        unknown = [name for name, value in zip(names, scores["auroc"], strict=True) if value.isnan()]
        if unknown and not self.trainer.sanity_checking and self.trainer.is_global_zero:
            warnings.warn(
                f"{', '.join(unknown)}: present in all images of {stage} or in none, so AUROC and average precision "
                "are NaN and not part of the mean.",
                stacklevel=2,
            )

    def _names(self, num_findings: int) -> list[str]:
        given = getattr(getattr(self._trainer, "datamodule", None), "findings", None)
        return finding_names(given if isinstance(given, list | tuple) else [], num_findings)
