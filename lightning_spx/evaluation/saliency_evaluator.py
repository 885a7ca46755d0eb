"""The callback: saliency maps of a model in training, how stable they are, and where they lie."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor

from lightning_spx.attribution import Attribution, Gradient
from lightning_spx.evaluation.comparison import Magnitude
from lightning_spx.evaluation.evaluator.agreement import PREVIOUS
from lightning_spx.evaluation.evaluator.batches import name_batch
from lightning_spx.evaluation.evaluator.evaluation import Evaluation, Outcome
from lightning_spx.evaluation.evaluator.explained_model import (
    ImageScale,
    check_forward,
    read_reference,
)
from lightning_spx.evaluation.evaluator.model_maps import ModelMaps
from lightning_spx.evaluation.evaluator.placed_weights import weights_of
from lightning_spx.evaluation.evaluator.output import Output, result_folder
from lightning_spx.evaluation.evaluator.predicted_maps import PredictedMaps
from lightning_spx.evaluation.evaluator.settings import Settings, name_references
from lightning_spx.evaluation.names import unique_names
from lightning_spx.metrics import Distance
from lightning_spx.reporting import log_config
from lightning_spx.superpixels import Segmenter, Slic


class SaliencyEvaluator(Callback):
    """Explains the same images at every validation, and logs how far the maps agree with those of other models.

    It works with any LightningModule whose `forward` maps images to logits. During fit it compares the model with its
    `references` and logs, under `val/`, `saliency_ssim/<method>`, `topk_overlap/<method>` and `mege/<method>`, each
    with `/floor` (what maps without anything in common give) and `/excess` (0 is chance, 1 is perfect); where batches
    have a `mask`, also `mass_accuracy`, `pointing_game` and `mask_auc`. `<method>` is `Gradient` by pixel and
    `S-Gradient/Slic` pooled. If both kinds of references are there, agreement with the previous state ends with
    `/previous`. At the end of fit, and in test under `test/`, it adds intervals and the gain over controls that smooth
    as much (Gong, Zhang, Dou and Farnia, BMVC 2024, for the S- methods). In predict it adds `saliency` to predictions
    that are dicts, and writes the maps to files.

    Training is left exactly as it is: weights, optimizer, buffers and random state do not change by a bit.

    Args:
        methods: attribution methods at every evaluation; None is `[Gradient()]`.
        superpixels: segmenters, each of which adds an S- method; None is `[Slic()]`.
        references: checkpoints of other models of the same architecture, and `previous` for the state at the last
            evaluation; None is `["previous"]`.
        every_n_epochs: epochs between evaluations.
        num_images: explained at each of them, the first of the loader spread over its classes; 2 or more.
        mean: of the loader's normalisation, for each channel, if it normalises.
        std: of the loader's normalisation.
        batch_to_images: from a batch to (image, label) or a dict with `image`, `label` and perhaps `mask`; None
            recognises batches that are of this form.
        final_methods: expensive methods, only at the end of fit and in test.
        target: explain the logit of the label, or of each model's own prediction.
        magnitude: `after` pools signed values and then takes magnitudes, `before` takes magnitudes first.
        distance: of MeGe.
        batch_size: images explained at a time.
        num_resamples: of the bootstrap at the end.
        seed: of floors, controls and bootstrap.
        out: folder of the results; None is `saliency` in the folder of the Trainer's first logger.

    Raises:
        ValueError: a setting is out of its range.

    Example:
        >>> from lightning_spx.attribution import SmoothGrad
        >>> evaluator = SaliencyEvaluator(methods=[Gradient()], final_methods=[SmoothGrad()], references=["part1.ckpt"])
        >>> Trainer(callbacks=[evaluator], logger=False, enable_progress_bar=False).callbacks[0] is evaluator
        True
    """

    def __init__(
        self,
        methods: list[Attribution] | None = None,
        superpixels: list[Segmenter] | None = None,
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
    ) -> None:
        super().__init__()
        limits = (("every_n_epochs", every_n_epochs, 1), ("num_images", num_images, 2), ("batch_size", batch_size, 1))
        for name, value, least in limits:
            if value < least:
                raise ValueError(f"Expected `{name}` to be at least {least}, got {value}.")
        chosen = [PREVIOUS] if references is None else list(references)
        named = unique_names([*(methods or [Gradient()]), *(final_methods or [])])
        regular = len(methods or [Gradient()])
        self.settings = Settings(
            methods=dict(list(named.items())[:regular]),
            final_methods=named,
            segmenters=unique_names(superpixels or [Slic()]),
            checkpoints=name_references(chosen),
            with_previous=PREVIOUS in chosen,
            num_images=num_images,
            scale=ImageScale(mean, std),
            batch_to_images=batch_to_images,
            target=target,
            magnitude=magnitude,
            distance=distance,
            batch_size=batch_size,
            num_resamples=num_resamples,
            seed=seed,
        )
        self.every_n_epochs = every_n_epochs
        self.out = out
        self.history: list[dict[str, float | str]] = []
        self._evaluation = Evaluation(self.settings)
        self._output = Output(None, [], self.settings)
        self._predicted = PredictedMaps(self.settings, None)
        self._last: tuple[int, Outcome] | None = None
        self._resumed: dict[str, Tensor] | None = None

    @property
    def state_key(self) -> str:
        """Tell two evaluators of one Trainer apart in its checkpoints."""
        key = {name: self.settings.describe()[name] for name in ("methods", "superpixels", "references")}
        return self._generate_state_key(every_n_epochs=self.every_n_epochs, **key)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse what cannot work before any time is spent, and begin with no images."""
        check_forward(pl_module)
        self._evaluation = Evaluation(self.settings)
        self._last = None
        if stage == "fit":
            self.history = []

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the references, now that the module is complete."""
        self._start(trainer, pl_module)
        if not trainer.enable_validation:
            rank_zero_warn("SaliencyEvaluator explains validation images, and this fit has none: nothing is evaluated.")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After a resume keep the state that was evaluated last, which is what the next one is compared with."""
        resumed = bool(self.history) and self.history[-1]["step"] == trainer.global_step
        if resumed and self.settings.with_previous:
            self._resumed = {name: value.cpu().clone() for name, value in weights_of(pl_module).items()}

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the references where there is no fit around."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            self._start(trainer, pl_module)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the references."""
        self._start(trainer, pl_module)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Prepare the files."""
        self._predicted = PredictedMaps(self.settings, result_folder(trainer, self.out))

    def _start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for checkpoint in self.settings.checkpoints.values():
            read_reference(checkpoint, pl_module)
        if not trainer.is_global_zero:
            self._output = Output(None, [], self.settings)
            return
        self._output = Output(result_folder(trainer, self.out), trainer.loggers, self.settings)
        described = self.settings.describe() | {"every_n_epochs": self.every_n_epochs}
        log_config(self._output.loggers, {"saliency_evaluator": described})

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Choose images from the first loader's first pass; in the sanity check only see whether the batch is known."""
        if trainer.sanity_checking:
            if batch_idx == 0 and dataloader_idx == 0:
                self.settings.scale.restore(name_batch(batch, self.settings.batch_to_images).images)
        elif dataloader_idx == 0:
            self._evaluation.look_at(batch)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Choose images from the first loader."""
        if dataloader_idx == 0:
            self._evaluation.look_at(batch)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluate, if it is time; the sanity check is none."""
        if trainer.sanity_checking or not self._evaluation.has_images():
            return
        due = (trainer.current_epoch + 1) % self.every_n_epochs == 0
        if due or trainer.state.fn == TrainerFn.VALIDATING:
            self._evaluate(trainer, pl_module)

    def _evaluate(self, trainer: Trainer, pl_module: LightningModule) -> None:
        evaluation, step = self._evaluation, trainer.global_step
        previous = self._previous(step)
        if self._resumed is not None:
            previous = evaluation.explain(pl_module, self.settings.methods, len(self.history) - 1, self._resumed)
            self._resumed = None
        outcome = evaluation.evaluate(pl_module, self.settings.methods, len(self.history), previous)
        if outcome is None:
            return
        pl_module.log_dict({f"val/{name}": value for name, value in outcome.scalars.items()}, sync_dist=True)
        row: dict[str, float | str] = {"epoch": trainer.current_epoch, "step": step}
        self.history.append(row | dict(outcome.scalars))
        self._output.history(self.history)
        self._show(outcome, "val", trainer, first=self._last is None)
        self._last = (step, outcome)

    def _previous(self, step: int) -> ModelMaps | None:
        """Return the maps of the last state that was evaluated before this step."""
        if self._last is None or not self.settings.with_previous:
            return None
        last, outcome = self._last
        return outcome.maps if last < step else outcome.others.get(PREVIOUS)

    def _show(self, outcome: Outcome, stage: str, trainer: Trainer, first: bool) -> None:
        explained = self._evaluation.explained
        if explained is None or not trainer.is_global_zero:
            return
        # Lightning logs the validation after the n-th step at step n - 1
        step = max(trainer.global_step - 1, 0)
        if first:
            self._output.segments(explained, [f"class {label}" for label in explained.label.tolist()], stage, step)
        self._output.panels(outcome, explained, stage, trainer.current_epoch, step)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Summarise."""
        if trainer.enable_validation and self._evaluation.has_images():
            self._summarise(trainer, pl_module, "val", self._previous(trainer.global_step))
            self._output.finish("saliency")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluate and summarise."""
        outcome = self._summarise(trainer, pl_module, "test", None) if self._evaluation.has_images() else None
        if outcome is not None:
            pl_module.log_dict({f"test/{name}": value for name, value in outcome.scalars.items()}, sync_dist=True)
            self._show(outcome, "test", trainer, first=True)
            self._output.finish("saliency")

    def _summarise(
        self, trainer: Trainer, pl_module: LightningModule, stage: str, previous: ModelMaps | None
    ) -> Outcome | None:
        evaluation, methods = self._evaluation, self.settings.final_methods
        rank_zero_info(f"SaliencyEvaluator: summary of {', '.join(methods)}")
        outcome = evaluation.evaluate(pl_module, methods, len(self.history), previous, controls=True)
        if outcome is None or evaluation.explained is None:
            return None
        if outcome.per_image is None:
            rank_zero_info("SaliencyEvaluator: nothing to compare with, so no agreement; see `references`.")
        elif trainer.is_global_zero:
            data = getattr(trainer, "datamodule", None)
            dataset = "the loader's images" if data is None else type(data).__name__
            self._output.summary(outcome, outcome.per_image, evaluation.explained, stage, dataset)
        return outcome

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

    def state_dict(self) -> dict[str, Any]:
        """Return the history, so that a resumed training continues it."""
        return {"history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the history of a checkpoint."""
        self.history = list(state_dict["history"])
