"""Runs one evaluation after another in a Trainer: explains, compares with the one before, logs and writes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lightning import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info

from lightning_spx.attribution import Attribution
from lightning_spx.evaluation.callbacks.companions import Peers, check_names
from lightning_spx.evaluation.callbacks.output import FOLDER, Output, result_folder
from lightning_spx.evaluation.callbacks.pipeline import EvaluationPipeline, Outcome
from lightning_spx.evaluation.callbacks.previous_state import PreviousState
from lightning_spx.evaluation.callbacks.scored_weights import averaging_callback, name_weights, parameter_mark
from lightning_spx.evaluation.callbacks.settings import Settings
from lightning_spx.evaluation.callbacks.trial import try_out
from lightning_spx.evaluation.maps.references import read_reference
from lightning_spx.reporting import log_config, log_scalars
from lightning_spx.reporting.safe_keys import safe_key


class Rounds:
    """The evaluations of one run of a Trainer, and the summary at its end.

    Args:
        settings: of the callback.
        history: receives a row for each evaluation.
        every_n_epochs: number of epochs between evaluations.
    """

    def __init__(self, settings: Settings, history: list[dict[str, float | str]], every_n_epochs: int = 1) -> None:
        self.settings = settings
        self.history = history
        self.every_n_epochs = every_n_epochs
        self.pipeline = EvaluationPipeline(settings)
        self.previous = PreviousState()
        self.output = Output(None, [], settings)
        self._is_tried = False

    def start(self, trainer: Trainer, module: LightningModule, out: str | Path | None) -> None:
        """Check the references, and prepare the folder `out` of the results."""
        for checkpoint in self.settings.checkpoints.values():
            read_reference(checkpoint, module)
        if trainer.is_global_zero:
            folder = result_folder(trainer, out, self.settings.word(FOLDER))
            self.output = Output(folder, trainer.loggers, self.settings)
            described = self.settings.describe() | {"every_n_epochs": self.every_n_epochs}
            log_config(trainer.loggers, {self.settings.word("saliency_evaluator"): described})

    def look_at(self, trainer: Trainer, module: LightningModule, batch: object, peers: Peers) -> None:
        """Try out the first batch, then choose images from the next ones."""
        if not self._is_tried:
            tried = try_out(self.settings, module, batch, self._methods_to_try(trainer), findings_of(trainer))
            if trainer.state.fn == TrainerFn.FITTING:
                check_names(trainer, self.settings, peers, tried.masks, tried.findings)
            self.pipeline.check_labels = tried.check_labels
            self.pipeline.findings, self.pipeline.image_name = tried.findings, tried.image_name
            self._is_tried = True
        if not trainer.sanity_checking:
            self.pipeline.look_at(batch)

    def is_due(self, trainer: Trainer) -> bool:
        """Return whether a validation ends with an evaluation, which the sanity check never does."""
        if trainer.sanity_checking:
            return False
        return trainer.state.fn == TrainerFn.VALIDATING or (trainer.current_epoch + 1) % self.every_n_epochs == 0

    def _methods_to_try(self, trainer: Trainer) -> Mapping[str, Attribution]:
        """Return the methods that run later in fit and not already in this pass."""
        if trainer.state.fn != TrainerFn.FITTING:
            return {}
        soon = self.settings.methods if self.is_due(trainer) else {}
        return {name: method for name, method in self.settings.final_methods.items() if name not in soon}

    def validated(self, trainer: Trainer, module: LightningModule) -> None:
        """Evaluate the module with the weights that a validation scored, and log the outcome."""
        step, methods, number = trainer.global_step, self.settings.methods, len(self.history)
        mark = parameter_mark(module)
        maps = self.previous.maps(step, mark)
        if self.previous.weights is not None:
            maps = self.pipeline.explain(module, methods, number - 1, self.previous.weights)
            self.previous.weights = None
        maps = maps if self.settings.with_previous else None
        outcome = self.pipeline.evaluate(module, methods, number, maps)
        if outcome is None:
            return
        self._log(trainer, module, outcome, "val")
        row: dict[str, float | str] = {"epoch": trainer.current_epoch, "step": step}
        if averaging_callback(trainer) is not None:
            row["weights"] = name_weights(trainer, module, validating=True)
        self.history.append(row | {name.removesuffix("/value"): value for name, value in outcome.scalars.items()})
        self.output.history(self.history)
        self._show(outcome, "val", trainer, first=self.previous.outcome is None)
        self.previous = PreviousState(outcome, step, mark)

    def fitted(self, trainer: Trainer, module: LightningModule) -> None:
        """Summarize the weights at the end of a fit; the module may be back on the CPU by then."""
        home = module.device
        module.to(trainer.strategy.root_device)
        self._summarize(trainer, module, "val")
        module.to(home)
        self.output.finish()

    def tested(self, trainer: Trainer, module: LightningModule) -> None:
        """Summarize the module with the weights that a test scored, and log the outcome."""
        outcome = self._summarize(trainer, module, "test")
        if outcome is not None:
            self._log(trainer, module, outcome, "test")
            self._show(outcome, "test", trainer, first=True)
            self.output.finish()

    def _summarize(self, trainer: Trainer, module: LightningModule, stage: str) -> Outcome | None:
        pipeline, methods = self.pipeline, self.settings.final_methods
        name = f" {self.settings.name}" if self.settings.name else ""
        rank_zero_info(f"SaliencyEvaluator{name}: summary of {', '.join(methods)}")
        previous = self.previous.maps(trainer.global_step, parameter_mark(module))
        previous = previous if self.settings.with_previous else None
        outcome = pipeline.evaluate(module, methods, len(self.history), previous, controls=True)
        if outcome is None or pipeline.explained is None:
            return None
        if outcome.per_image is None:
            rank_zero_info("SaliencyEvaluator: nothing to compare with, so no agreement; see `references`.")
        elif trainer.is_global_zero:
            data = getattr(trainer, "datamodule", None)
            dataset = "the loader's images" if data is None else type(data).__name__
            weights = name_weights(trainer, module, validating=False)
            step = trainer.global_step
            self.output.summary(outcome, outcome.per_image, pipeline.explained, stage, dataset, weights, step)
        return outcome

    def _log(self, trainer: Trainer, module: LightningModule, outcome: Outcome, stage: str) -> None:
        first = self.settings.stage(stage)
        numbers = {safe_key(f"{first}/{name}"): value for name, value in outcome.scalars.items()}
        # in fit the loggers get the numbers from us, because one that fails must not end the training; `validate` and
        # `test` return only what Lightning itself sends to the loggers
        fits = trainer.state.fn == TrainerFn.FITTING
        module.log_dict(numbers, sync_dist=True, logger=not fits)
        if fits:
            log_scalars(trainer.loggers, {**numbers, "epoch": trainer.current_epoch}, logged_step(trainer))

    def _show(self, outcome: Outcome, stage: str, trainer: Trainer, first: bool) -> None:
        explained = self.pipeline.explained
        if explained is None or not trainer.is_global_zero:
            return
        step = logged_step(trainer)
        if first:
            self.output.segments(explained, stage, step)
        self.output.panels(outcome, explained, stage, trainer.current_epoch, step)


def logged_step(trainer: Trainer) -> int:
    """Return the step at which Lightning logs an evaluation, n - 1 for a validation after the n-th step of training."""
    # it counts batches, of which a module with two optimizers makes two steps each
    return getattr(trainer.fit_loop.epoch_loop, "_batches_that_stepped", trainer.global_step)


def findings_of(trainer: Trainer) -> Sequence[str] | None:
    """Return the names of the findings that a Trainer's DataModule says; None if it says none."""
    findings = getattr(getattr(trainer, "datamodule", None), "findings", None)
    return tuple(findings) if findings else None
