"""Values -> things people look at: figures, tables, and the loggers that show them."""

from lightning_spx.reporting.figures import map_panel, mege_table, stability_bars
from lightning_spx.reporting.sinks import finish, log_config, log_figure, log_scalars, log_table
from lightning_spx.reporting.tables import method_name, stability_table, verdict

__all__ = [
    "finish",
    "log_config",
    "log_figure",
    "log_scalars",
    "log_table",
    "map_panel",
    "mege_table",
    "method_name",
    "stability_bars",
    "stability_table",
    "verdict",
]
