"""The room that knows the stages and calls them in order: the callback, and studies over several models."""

from lightning_spx.evaluation.saliency_evaluator import SaliencyEvaluator
from lightning_spx.evaluation.stability import stability

__all__ = ["SaliencyEvaluator", "stability"]
