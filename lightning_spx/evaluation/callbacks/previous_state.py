"""The state of the model at the last evaluation, to compare the next one with it, even after a resume."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lightning import LightningModule
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from lightning_spx.evaluation.callbacks.agreement import PREVIOUS
from lightning_spx.evaluation.callbacks.pipeline import Outcome
from lightning_spx.evaluation.callbacks.scored_weights import parameter_mark
from lightning_spx.evaluation.maps.model_maps import ModelMaps
from lightning_spx.models.placed_weights import weights_of


@dataclass
class PreviousState:
    """What is known of the last evaluation.

    Args:
        outcome: what it found; None if this run has not evaluated yet.
        step: the global step at which it took place.
        mark: of the weights that it explained, see `parameter_mark`; None if an older checkpoint does not say.
        weights: the last evaluated weights of an earlier run, on the CPU, until they are explained again.
    """

    outcome: Outcome | None = None
    step: int = -1
    mark: str | None = None
    weights: Mapping[str, Tensor] | None = None

    def maps(self, step: int, mark: str) -> ModelMaps | None:
        """Return the maps of the last different state; the end of a fit may evaluate a state that a validation had."""
        if self.outcome is None:
            return None
        same = self.step == step and self.mark == mark
        return self.outcome.others.get(PREVIOUS) if same else self.outcome.maps

    def resume(self, module: LightningModule, file: Mapping[str, Any]) -> None:
        """Find the weights that were evaluated last: the module's, or the checkpoint's if those were averages.

        Args:
            module: the module with which training continues.
            file: the checkpoint's `state_dict`.
        """
        own = weights_of(module)
        if self.mark is None or parameter_mark(module) == self.mark:
            self.weights = {name: value.cpu().clone() for name, value in own.items()}
        elif own.keys() <= file.keys() and parameter_mark(module, file) == self.mark:
            self.weights = {name: file[name].cpu().clone() for name in own}
        else:
            rank_zero_warn(
                "SaliencyEvaluator: the checkpoint does not hold the weights that were evaluated last: the first "
                f"evaluation is not compared with `{PREVIOUS}`."
            )
