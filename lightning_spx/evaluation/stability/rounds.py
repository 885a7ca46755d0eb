"""A round of a study: the models of one plan in one repeat, every pair of which is compared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from lightning_spx.evaluation.training.study_models import StudyModel


@dataclass(frozen=True)
class Round:
    """The models of one plan in one repeat.

    Args:
        members: the models.
        load: returns a model in evaluation mode.
        held_out: (M, N) which model did not train on which image, or None if no model saw any.
        name: text that identifies settings, data and weights, and is kept with the values.
        plan: what differs between the models: `seeds`, `disjoint`, `folds` or `models`; empty if that is not known.
    """

    members: Sequence[StudyModel]
    load: Callable[[StudyModel], nn.Module]
    held_out: Tensor | None
    name: str
    plan: str = ""

    @property
    def repeat(self) -> int:
        """Return the number of the repeat."""
        return self.members[0].repeat
