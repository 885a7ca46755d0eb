"""What is around every call of a user's model: it is asked in evaluation mode, and left as it was."""

from lightning_spx.guard.behind import modules_behind
from lightning_spx.guard.outputs import FEW_IMAGES, are_probabilities, between_zero_and_one
from lightning_spx.guard.prepared import Prepared
from lightning_spx.guard.unchanged import unchanged

__all__ = ["FEW_IMAGES", "Prepared", "are_probabilities", "between_zero_and_one", "modules_behind", "unchanged"]
