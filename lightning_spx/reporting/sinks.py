"""Numbers, tables and figures -> the loggers that a Trainer has; the run folder holds them in any case."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec

import pandas as pd
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from matplotlib.figure import Figure


def log_config(loggers: Sequence[Logger], config: Mapping[str, object]) -> None:
    """Send the complete configuration to every logger."""
    for logger in loggers:
        logger.log_hyperparams(dict(config))


def log_scalars(loggers: Sequence[Logger], scalars: Mapping[str, float]) -> None:
    """Send numbers to every logger; keys are grouped by their slashes."""
    for logger in loggers:
        logger.log_metrics(dict(scalars))


def log_table(loggers: Sequence[Logger], name: str, table: pd.DataFrame) -> None:
    """Send a table to W&B, the only one of Lightning's loggers that shows tables."""
    for logger in loggers:
        if find_spec("wandb") and isinstance(logger, WandbLogger):
            logger.log_table(name, dataframe=table.astype({column: str for column in _texts(table)}))


def log_figure(loggers: Sequence[Logger], name: str, figure: Figure) -> None:
    """Send a figure to W&B and TensorBoard."""
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_figure(name, figure)
        elif find_spec("wandb") and isinstance(logger, WandbLogger):
            import wandb

            logger.experiment.log({name: wandb.Image(figure)})


def finish(loggers: Sequence[Logger]) -> None:
    """Tell every logger that the run ended well."""
    for logger in loggers:
        logger.finalize("success")


def _texts(table: pd.DataFrame) -> list[str]:
    """Columns that are not numbers: W&B takes no missing values in them."""
    return [str(column) for column in table.columns if not pd.api.types.is_numeric_dtype(table[column])]
