"""Sends numbers, tables and figures to the loggers of a Trainer; the run folder holds the same."""

from collections.abc import Mapping, Sequence

import pandas as pd
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only
from matplotlib.figure import Figure


def log_config(loggers: Sequence[Logger], config: Mapping[str, object]) -> None:
    """Send the complete configuration to every logger.

    Example:
        >>> import tempfile
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     logger = CSVLogger(folder)
        ...     log_config([logger], {"seed": 3})
        ...     logger.experiment.hparams
        {'seed': 3}
    """
    for logger in loggers:
        logger.log_hyperparams(dict(config))


def log_scalars(loggers: Sequence[Logger], scalars: Mapping[str, float], step: int | None = None) -> None:
    """Send numbers to every logger; keys are grouped by their slashes.

    Example:
        >>> import tempfile
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     logger = CSVLogger(folder)
        ...     log_scalars([logger], {"val/mege/Gradient": 0.5}, step=7)
        ...     logger.experiment.metrics
        [{'val/mege/Gradient': 0.5, 'step': 7}]
    """
    for logger in loggers:
        logger.log_metrics(dict(scalars), step)


@rank_zero_only
def log_summary(loggers: Sequence[Logger], values: Mapping[str, float], step: int | None = None) -> None:
    """Send the numbers at the end of a run to the summary of W&B, and to every other logger as plain numbers.

    Example:
        >>> import tempfile
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     logger = CSVLogger(folder)
        ...     log_summary([logger], {"mege": 0.5}, step=7)
        ...     logger.experiment.metrics
        [{'mege': 0.5, 'step': 7}]
    """
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.summary.update(dict(values))
        else:
            logger.log_metrics(dict(values), step)


@rank_zero_only
def log_table(loggers: Sequence[Logger], name: str, table: pd.DataFrame) -> None:
    """Send a table to W&B, the only logger of Lightning that shows tables; a missing value is an empty cell.

    Example:
        >>> import tempfile
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> with tempfile.TemporaryDirectory() as folder:  # a logger without tables is left alone
        ...     log_table([CSVLogger(folder)], "stability", pd.DataFrame({"value": [0.5]}))
    """
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            # NaN is not valid JSON, and a column of texts must not hold a float
            logger.log_table(name, dataframe=table.astype(object).where(table.notna(), None))


@rank_zero_only
def log_figure(loggers: Sequence[Logger], name: str, figure: Figure) -> None:
    """Send a figure to W&B and TensorBoard; other loggers show none.

    Example:
        >>> import tempfile
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     log_figure([CSVLogger(folder)], "stability", Figure())
    """
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_figure(name, figure)
        elif isinstance(logger, WandbLogger):
            # imported here, because only a WandbLogger guarantees that it is installed
            import wandb

            logger.experiment.log({name: wandb.Image(figure)})


def finish(loggers: Sequence[Logger]) -> None:
    """Tell every logger that the run has ended successfully, so that it writes what it still buffers.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     logger = CSVLogger(folder)
        ...     log_scalars([logger], {"mege": 0.5}, step=7)
        ...     finish([logger])
        ...     Path(logger.log_dir, "metrics.csv").read_text().split()
        ['mege,step', '0.5,7']
    """
    for logger in loggers:
        logger.finalize("success")


def log_text(loggers: Sequence[Logger], name: str, text: str) -> None:
    """Placeholder."""
