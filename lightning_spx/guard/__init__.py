"""Surrounds every call of a user's model: evaluates it in evaluation mode and leaves it as it was."""

from lightning_spx.guard.behind import modules_behind
from lightning_spx.guard.hidden import hidden_modules
from lightning_spx.guard.outputs import are_probabilities, between_zero_and_one
from lightning_spx.guard.passes import Passes, count_passes
from lightning_spx.guard.prepared import Prepared
from lightning_spx.guard.unchanged import unchanged

__all__ = [
    "Passes",
    "Prepared",
    "are_probabilities",
    "between_zero_and_one",
    "count_passes",
    "hidden_modules",
    "modules_behind",
    "unchanged",
]
