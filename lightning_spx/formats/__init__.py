"""Reads the files of other tools: pixels with all their levels, masks, and maps of ids."""

from lightning_spx.formats.label_map import read_label_map
from lightning_spx.formats.photo import read_photo
from lightning_spx.formats.region import Region
from lightning_spx.formats.regions import Regions, label_map, read_regions, union
from lightning_spx.formats.window import Percentiles, Window

__all__ = [
    "Percentiles",
    "Region",
    "Regions",
    "Window",
    "label_map",
    "read_label_map",
    "read_photo",
    "read_regions",
    "union",
]
