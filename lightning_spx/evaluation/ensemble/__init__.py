"""The study behind `spx ensemble`: is it better to average the maps of several models, or to pool those of one?"""

from lightning_spx.evaluation.ensemble.command import ensemble

__all__ = ["ensemble"]
