"""The room that knows the stages and calls them in order: callbacks, and studies over several models."""

from lightning_spx.evaluation.saliency_evaluator import SaliencyEvaluator
from lightning_spx.evaluation.stability import stability
from lightning_spx.evaluation.translation_grid import TranslationGrid

__all__ = ["SaliencyEvaluator", "TranslationGrid", "stability"]
