"""The callback that measures how stable the saliency maps of a model in training are, and where they lie."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_warn

from lightning_spx.attribution import Attribution, Gradient
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.evaluation.callbacks.agreement import PREVIOUS
from lightning_spx.evaluation.callbacks.companions import Peers, check_looks, check_names
from lightning_spx.evaluation.callbacks.finding_names import FindingTargets
from lightning_spx.evaluation.callbacks.output import FOLDER, result_folder
from lightning_spx.evaluation.callbacks.pipeline import EvaluationPipeline
from lightning_spx.evaluation.callbacks.predicted_maps import PredictedMaps
from lightning_spx.evaluation.callbacks.rounds import Rounds, findings_of
from lightning_spx.evaluation.callbacks.scored_weights import (
    ScoredWeights,
    earlier_callbacks,
    name_weights,
    warn_unaveraged,
)
from lightning_spx.evaluation.callbacks.settings import Settings, name_references
from lightning_spx.evaluation.callbacks.trial import check_forward
from lightning_spx.evaluation.maps.colors import ToRgb
from lightning_spx.guard.model_output import OutputChoice
from lightning_spx.metrics import Distance
from lightning_spx.models.image_model import Head
from lightning_spx.models.preprocess import Preprocess
from lightning_spx.reporting.display_names import unique_names
from lightning_spx.superpixels import ImagePooling, Slic


class SaliencyEvaluator(Callback):
    """Explains the same images at every validation and logs how far the maps agree with those of other models.

    It works with any LightningModule whose `forward` maps images to logits. During fit it compares the model with its
    `references` and logs `val/saliency_ssim/<method>/value`, and the same of `topk_overlap` and `mege`, each with
    `/floor` (the value for maps with nothing in common) and `/excess` (0 is chance, 1 is perfect) in the place of
    `/value`; if batches have a `mask`, also `mass_accuracy`, `pointing_game`, `mask_auc` and `mask_auprc`. `<method>`
    is `Gradient` by pixel and `S-Gradient/Slic` pooled. With both kinds of references, agreement with the previous
    state is `<method>/previous/value`. Of several findings, numbers over all have these keys, and those of one
    `<method>/<finding>/value`; without classes (`scalar`) there is no `mege`. The keys of an evaluator with a `name`
    begin with `val/<name>/`; characters that some logger refuses become hyphens.
    At the end of fit, and in test under `test/`, it adds intervals and the gain over controls that smooth as much
    (Gong, Zhang, Dou and Farnia, BMVC 2024, for the S- methods). In predict it adds `saliency` to predictions that are
    dicts, and writes the maps to files.

    Training stays bit for bit the same: the callback changes no weights, optimizer, buffers or random state. Validation
    and test explain the weights that they scored, such as averages that a callback swaps in; the summary explains the
    weights that fit leaves behind. The first batch, usually the sanity check's, serves as a trial on two images.

    Args:
        methods: attribution methods at every evaluation; None is `[Gradient()]`.
        superpixels: segmenters and filters, each of which adds an S- method; None is `[Slic()]`.
        references: checkpoints of other models of the same architecture, and `previous` for the state at the last
            evaluation; None is `["previous"]`.
        every_n_epochs: number of epochs between evaluations.
        num_images: number of images to explain: the loader's first ones, spread over its classes or over the sets of
            findings that images have; 2 or more.
        mean: channel means of the loader's normalization; None if it does not normalize.
        std: channel standard deviations of the loader's normalization.
        preprocess: what the loader does to images in the place of `mean` and `std`, a differentiable callable such as
            `ZScore()`. One without a method `invert` needs `batch_to_images` to return images in [0, 1].
        output: what picks the logits out of what `forward` returns: a name, a position or a function; None recognizes
            a tensor, a tuple that begins with it, and `logits`.
        input_name: keyword of `forward` that takes images; None recognizes the usual ones.
        head: `single_label`; `multi_label` for one logit for each finding; `scalar` for one number per image.
        batch_to_images: turns a batch into (image, label) or a dict with `image`, `label` and perhaps `mask`; None
            expects batches of this form, and knows the other usual names, such as `pixel_values` and `labels`.
        final_methods: expensive methods that run only at the end of fit and in test.
        target: explain the logit of the label, or of each model's own prediction.
        magnitude: when magnitudes are taken: `after` pools the signed values first, `before` takes magnitudes first.
        distance: distance between maps that MeGe uses.
        batch_size: number of images explained at a time.
        num_resamples: number of bootstrap resamples at the end.
        seed: seeds floors, controls and bootstrap.
        out: folder of the results; None is `saliency` or `saliency-<name>` in the folder of the Trainer's first logger.
        name: tells several evaluators of a Trainer apart: a word that keys, folder and predictions have.
        to_rgb: colors of images with other than 1 or 3 channels, for pictures and what pools in RGB: three band
            numbers, or a callable.
        targets: findings to explain of `multi_label`: those that an image has (`present`), those that the model
            predicts, of which two models are compared on those that both predict, or these on every image.
        findings: names of the findings; None takes those of the DataModule, or numbers them.

    Raises:
        ValueError: a setting is out of its range. When a Trainer starts: two evaluators have the same name, or another
            callback monitors a number that this one will not log.

    Example:
        >>> from lightning_spx.attribution import SmoothGrad
        >>> evaluator = SaliencyEvaluator(methods=[Gradient()], final_methods=[SmoothGrad()], references=["part1.ckpt"])
        >>> Trainer(callbacks=[evaluator], logger=False, enable_progress_bar=False).callbacks[0] is evaluator
        True
    """

    def __init__(
        self,
        methods: list[Attribution] | None = None,
        superpixels: list[ImagePooling] | None = None,
        references: Sequence[str | Path] | None = None,
        every_n_epochs: int = 1,
        num_images: int = 64,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        batch_to_images: Callable[[Any], Any] | None = None,
        final_methods: list[Attribution] | None = None,
        target: Literal["label", "prediction"] = "label",
        magnitude: Magnitude = "after",
        distance: Distance = "l2",
        batch_size: int = 64,
        num_resamples: int = 2000,
        seed: int = 0,
        out: str | Path | None = None,
        preprocess: Preprocess | None = None,
        output: OutputChoice | None = None,
        input_name: str | None = None,
        head: Head = "single_label",
        name: str = "",
        to_rgb: ToRgb | None = None,
        targets: FindingTargets = "present",
        findings: list[str] | None = None,
    ) -> None:
        super().__init__()
        if every_n_epochs < 1:
            raise ValueError(f"Expected `every_n_epochs` to be at least 1, got {every_n_epochs}.")
        chosen = [PREVIOUS] if references is None else references
        named = unique_names([*(methods or [Gradient()]), *(final_methods or [])])
        regular = len(methods or [Gradient()])
        self.settings = Settings(
            methods=dict(list(named.items())[:regular]),
            final_methods=named,
            superpixels=unique_names(superpixels or [Slic()]),
            checkpoints=name_references(chosen),
            with_previous=PREVIOUS in chosen,
            num_images=num_images,
            mean=mean,
            std=std,
            preprocess=preprocess,
            output=output,
            input_name=input_name,
            head=head,
            batch_to_images=batch_to_images,
            target=target,
            magnitude=magnitude,
            distance=distance,
            batch_size=batch_size,
            num_resamples=num_resamples,
            seed=seed,
            name=name,
            to_rgb=to_rgb,
            targets=targets,
            findings=findings,
        )
        self.every_n_epochs = every_n_epochs
        self.out = out
        self.history: list[dict[str, float | str]] = []
        self._rounds = Rounds(self.settings, self.history, every_n_epochs)
        self._predicted = PredictedMaps(self.settings, None)
        self._scored = ScoredWeights("on_validation_epoch_end")
        self._tested = ScoredWeights("on_test_epoch_end")
        self._file: Mapping[str, Any] = {}
        self._is_set_up = self._has_fitted = False

    @property
    def _pipeline(self) -> EvaluationPipeline:
        return self._rounds.pipeline

    @property
    def state_key(self) -> str:
        """Return the key of this callback's state in a checkpoint."""
        if not self._is_set_up:
            # the Trainer would refuse equal keys with an error about keys; `setup` has a clearer one for two evaluators
            return self._generate_state_key(object=id(self))
        key = {name: self.settings.describe()[name] for name in ("methods", "superpixels", "references")}
        key |= {"name": self.settings.name} if self.settings.name else {}
        return self._generate_state_key(every_n_epochs=self.every_n_epochs, **key)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse settings that cannot work before time is spent on them, and forget the images of an earlier stage."""
        self._is_set_up = True
        Peers.of(trainer, SaliencyEvaluator).refuse_collisions()
        check_forward(pl_module, self.settings.input_name)
        self._has_fitted = False
        self.settings = self.settings.with_images_of(getattr(trainer, "datamodule", None))
        if stage == "fit":
            self.history = []
        self._rounds = Rounds(self.settings, self.history, self.every_n_epochs)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the references, now that the module is complete, and the names that other callbacks monitor."""
        check_names(trainer, self.settings, Peers.of(trainer, SaliencyEvaluator), masks=True)
        check_looks(trainer, self.settings, self.every_n_epochs, resumed=bool(self.history))
        self._rounds.start(trainer, pl_module, self.out)
        if not trainer.enable_validation:
            rank_zero_warn("SaliencyEvaluator explains validation images, and this fit has none: nothing is evaluated.")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After a resume, restore the state that was evaluated last, to compare the next one with it."""
        resumed = bool(self.history) and self.history[-1]["step"] == trainer.global_step
        if resumed and self.settings.with_previous:
            self._rounds.previous.resume(pl_module, self._file)
        self._file = {}

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the references if validation runs outside fit."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            self._rounds.start(trainer, pl_module, self.out)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the references."""
        warn_unaveraged(trainer, pl_module, "test")
        self._rounds.start(trainer, pl_module, self.out)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Prepare the folder for the predicted maps."""
        warn_unaveraged(trainer, pl_module, "predict")
        folder = result_folder(trainer, self.out, self.settings.word(FOLDER))
        weights = name_weights(trainer, pl_module, validating=False)
        self._predicted = PredictedMaps(self.settings, folder, weights, findings_of(trainer))

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Try out the first batch (the sanity check's), then choose images in the first pass over the first loader."""
        if self._rounds.is_due(trainer):
            self._scored.note(earlier_callbacks(trainer, self), pl_module)
        if dataloader_idx == 0:
            self._rounds.look_at(trainer, pl_module, batch, Peers.of(trainer, SaliencyEvaluator))

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Try out the first batch and choose images from the first loader."""
        self._tested.note(earlier_callbacks(trainer, self), pl_module)
        if dataloader_idx == 0:
            self._rounds.look_at(trainer, pl_module, batch, Peers.of(trainer, SaliencyEvaluator))

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluate if an evaluation is due, which it never is in the sanity check."""
        with self._scored.in_place(pl_module):
            if not trainer.sanity_checking and self._pipeline.has_images() and self._rounds.is_due(trainer):
                self._rounds.validated(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remember that fit ended; other callbacks may still change the weights after this hook."""
        self._has_fitted = trainer.enable_validation

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Summarize the final weights, which are known only after the last hook of every other callback in fit."""
        if stage == "fit" and self._has_fitted and self._pipeline.has_images():
            self._rounds.fitted(trainer, pl_module)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluate and summarize."""
        with self._tested.in_place(pl_module):
            if self._pipeline.has_images():
                self._rounds.tested(trainer, pl_module)

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Explain the predicted classes of a batch."""
        with torch.no_grad():
            self._predicted.add(pl_module, outputs, batch, f"{dataloader_idx}_{batch_idx:06d}_{trainer.global_rank}")

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep the checkpoint's weights until training starts: it may hold averages that the module does not."""
        self._file = checkpoint["state_dict"] if trainer.state.fn == TrainerFn.FITTING else {}

    def state_dict(self) -> dict[str, Any]:
        """Return the history, which a resumed training continues, and which weights were evaluated last."""
        return {"history": self.history, "weights": self._rounds.previous.mark}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the history of a checkpoint."""
        self.history[:] = state_dict["history"]
        self._rounds.previous.mark = state_dict.get("weights")
