"""The study behind `spx stability`: command, study, summary, output."""

from lightning_spx.evaluation.stability.command import stability

__all__ = ["stability"]
