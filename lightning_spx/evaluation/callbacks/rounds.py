"""Runs one evaluation after another in a Trainer: explains, compares with the one before, logs and writes."""

from lightning import LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info

from lightning_spx.evaluation.callbacks.output import Output
from lightning_spx.evaluation.callbacks.pipeline import EvaluationPipeline, Outcome
from lightning_spx.evaluation.callbacks.previous_state import PreviousState
from lightning_spx.evaluation.callbacks.scored_weights import averaging_callback, name_weights, parameter_mark
from lightning_spx.evaluation.callbacks.settings import Settings


class Rounds:
    """The evaluations of one run of a Trainer, and the summary at its end.

    Args:
        settings: of the callback.
        history: receives a row for each evaluation.
    """

    def __init__(self, settings: Settings, history: list[dict[str, float | str]]) -> None:
        self.settings = settings
        self.history = history
        self.pipeline = EvaluationPipeline(settings)
        self.previous = PreviousState()
        self.output = Output(None, [], settings)

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
        module.log_dict({f"val/{name}": value for name, value in outcome.scalars.items()}, sync_dist=True)
        row: dict[str, float | str] = {"epoch": trainer.current_epoch, "step": step}
        if averaging_callback(trainer) is not None:
            row["weights"] = name_weights(trainer, module, validating=True)
        self.history.append(row | dict(outcome.scalars))
        self.output.history(self.history)
        self._show(outcome, "val", trainer, first=self.previous.outcome is None)
        self.previous = PreviousState(outcome, step, mark)

    def fitted(self, trainer: Trainer, module: LightningModule) -> None:
        """Summarize the weights at the end of a fit; the module may be back on the CPU by then."""
        home = module.device
        module.to(trainer.strategy.root_device)
        self._summarize(trainer, module, "val")
        module.to(home)
        self.output.finish("saliency")

    def tested(self, trainer: Trainer, module: LightningModule) -> None:
        """Summarize the module with the weights that a test scored, and log the outcome."""
        outcome = self._summarize(trainer, module, "test")
        if outcome is not None:
            module.log_dict({f"test/{name}": value for name, value in outcome.scalars.items()}, sync_dist=True)
            self._show(outcome, "test", trainer, first=True)
            self.output.finish("saliency")

    def _summarize(self, trainer: Trainer, module: LightningModule, stage: str) -> Outcome | None:
        pipeline, methods = self.pipeline, self.settings.final_methods
        rank_zero_info(f"SaliencyEvaluator: summary of {', '.join(methods)}")
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
            self.output.summary(outcome, outcome.per_image, pipeline.explained, stage, dataset, weights)
        return outcome

    def _show(self, outcome: Outcome, stage: str, trainer: Trainer, first: bool) -> None:
        explained = self.pipeline.explained
        if explained is None or not trainer.is_global_zero:
            return
        # Lightning logs the validation after the n-th step at step n - 1
        step = max(trainer.global_step - 1, 0)
        if first:
            self.output.segments(explained, [f"class {label}" for label in explained.label.tolist()], stage, step)
        self.output.panels(outcome, explained, stage, trainer.current_epoch, step)
