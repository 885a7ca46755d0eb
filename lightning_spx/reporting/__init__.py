"""Turns values into figures and tables, and sends them to loggers."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning_spx.reporting.explanation_figures import PhotoMaps, maps_grid, partitions_figure, photo_figure
    from lightning_spx.reporting.figures import map_panel, mege_table, stability_bars
    from lightning_spx.reporting.front import front_figure, table_figure
    from lightning_spx.reporting.gallery import Gallery, MethodMaps
    from lightning_spx.reporting.media_sinks import log_folder, log_map_table, log_picture, log_segmented
    from lightning_spx.reporting.page import Page, render_page
    from lightning_spx.reporting.pairs import pair_cells, pairs_figure
    from lightning_spx.reporting.panels import map_grid, outline_segments, picture_of
    from lightning_spx.reporting.reasons import why_no_verdict
    from lightning_spx.reporting.removal import removal_cells, removal_curves
    from lightning_spx.reporting.rows import survives, without_controls
    from lightning_spx.reporting.sinks import (
        finish,
        log_config,
        log_figure,
        log_scalars,
        log_summary,
        log_table,
        log_text,
    )
    from lightning_spx.reporting.tables import method_name, stability_table, text_table, verdict
    from lightning_spx.reporting.tradeoff_table import tradeoff_cells

__all__ = [
    "Gallery",
    "MethodMaps",
    "Page",
    "PhotoMaps",
    "finish",
    "front_figure",
    "log_config",
    "log_figure",
    "log_folder",
    "log_map_table",
    "log_picture",
    "log_scalars",
    "log_segmented",
    "log_summary",
    "log_table",
    "log_text",
    "map_grid",
    "map_panel",
    "maps_grid",
    "mege_table",
    "method_name",
    "outline_segments",
    "pair_cells",
    "pairs_figure",
    "partitions_figure",
    "photo_figure",
    "picture_of",
    "removal_cells",
    "removal_curves",
    "render_page",
    "stability_bars",
    "stability_table",
    "survives",
    "table_figure",
    "text_table",
    "tradeoff_cells",
    "verdict",
    "why_no_verdict",
    "without_controls",
]

# where each name is defined: its file is imported when the name is asked for, because figures take long to import and
# a table needs none
_HOMES = {
    "Gallery": "gallery",
    "MethodMaps": "gallery",
    "Page": "page",
    "PhotoMaps": "explanation_figures",
    "finish": "sinks",
    "front_figure": "front",
    "log_config": "sinks",
    "log_figure": "sinks",
    "log_folder": "media_sinks",
    "log_map_table": "media_sinks",
    "log_picture": "media_sinks",
    "log_scalars": "sinks",
    "log_segmented": "media_sinks",
    "log_summary": "sinks",
    "log_table": "sinks",
    "log_text": "sinks",
    "map_grid": "panels",
    "map_panel": "figures",
    "maps_grid": "explanation_figures",
    "mege_table": "figures",
    "method_name": "tables",
    "outline_segments": "panels",
    "pair_cells": "pairs",
    "pairs_figure": "pairs",
    "partitions_figure": "explanation_figures",
    "photo_figure": "explanation_figures",
    "picture_of": "panels",
    "removal_cells": "removal",
    "removal_curves": "removal",
    "render_page": "page",
    "stability_bars": "figures",
    "stability_table": "tables",
    "survives": "rows",
    "table_figure": "front",
    "text_table": "tables",
    "tradeoff_cells": "tradeoff_table",
    "verdict": "tables",
    "why_no_verdict": "reasons",
    "without_controls": "rows",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

    def __dir__() -> list[str]:
        return [*globals(), *__all__]
