"""Turns values into figures and tables, and sends them to loggers."""

from lightning_spx.reporting.explanation_figures import PhotoMaps, maps_grid, partitions_figure, photo_figure
from lightning_spx.reporting.figures import map_panel, mege_table, stability_bars
from lightning_spx.reporting.front import front_figure, table_figure, tradeoff_cells
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
