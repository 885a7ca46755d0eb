"""The room that knows the stages and calls them in order: callbacks, and studies over several models."""

from lightning_spx.evaluation.callbacks.saliency_evaluator import SaliencyEvaluator
from lightning_spx.evaluation.callbacks.translation_grid import TranslationGrid
from lightning_spx.evaluation.stability.command import stability

__all__ = ["SaliencyEvaluator", "TranslationGrid", "stability"]
