"""Reads the files of other tools: pixels with all their levels, masks, and maps of ids."""

from lightning_spx.formats.window import Percentiles, Window

__all__ = ["Percentiles", "Window"]
