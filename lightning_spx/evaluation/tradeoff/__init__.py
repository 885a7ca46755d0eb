"""Measures stability against fidelity over methods, segmenters and numbers of segments."""

from lightning_spx.evaluation.tradeoff.command import tradeoff

__all__ = ["tradeoff"]
