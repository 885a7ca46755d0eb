"""The room that knows the stages and calls them in order: studies over several models."""

from lightning_spx.evaluation.stability import stability

__all__ = ["stability"]
