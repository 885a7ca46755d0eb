"""Remove and retrain: does a network that never saw the salient pixels still classify?"""

from lightning_spx.evaluation.roar.command import roar

__all__ = ["roar"]
