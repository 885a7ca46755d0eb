"""Sends numbers, sentences, tables and figures to the loggers of a Trainer; the run folder holds the same."""

from collections.abc import Mapping, Sequence
from functools import cache, partial

import pandas as pd
from lightning.pytorch.loggers import Logger
from matplotlib.figure import Figure

from lightning_spx.reporting.delivery import deliver
from lightning_spx.reporting.figure_picture import figure_picture
from lightning_spx.reporting.safe_keys import safe_key


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
    deliver(loggers, "settings", lambda sink: sink.config(config))


def log_scalars(loggers: Sequence[Logger], scalars: Mapping[str, float], step: int | None = None) -> None:
    """Send numbers to every logger; keys are grouped by their slashes, and made safe as `safe_key` says.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     logger = CSVLogger(folder)
        ...     log_scalars([logger], {"mege": 0.5}, step=7)
        ...     Path(logger.log_dir, "metrics.csv").read_text().split()
        ['mege,step', '0.5,7']
    """
    safe = {safe_key(name): value for name, value in scalars.items()}
    deliver(loggers, "numbers", lambda sink: sink.scalars(safe, step))


def log_summary(loggers: Sequence[Logger], values: Mapping[str, float], step: int | None = None) -> None:
    """Send the numbers at the end of a run to the summary of W&B, and to every other logger as plain numbers.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     logger = CSVLogger(folder)
        ...     log_summary([logger], {"mege": 0.5}, step=7)
        ...     Path(logger.log_dir, "metrics.csv").read_text().split()
        ['mege,step', '0.5,7']
    """
    safe = {safe_key(name): value for name, value in values.items()}
    deliver(loggers, "numbers", lambda sink: sink.summary(safe, step))


def log_text(loggers: Sequence[Logger], name: str, text: str) -> None:
    """Send a sentence to the summary of W&B, to the texts of TensorBoard, and to Comet; MLflow gets it as a tag.

    Other loggers show no text.

    Example:
        >>> import tempfile
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     log_text([CSVLogger(folder)], "stability/answer", "Yes.")
    """
    deliver(loggers, "texts", lambda sink: sink.text(safe_key(name), text))


def log_table(loggers: Sequence[Logger], name: str, table: pd.DataFrame) -> None:
    """Send a table to W&B, MLflow and Comet, and as text to TensorBoard; other loggers show none.

    A missing value is an empty cell.

    Example:
        >>> import tempfile
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> with tempfile.TemporaryDirectory() as folder:  # a logger without tables is left alone
        ...     log_table([CSVLogger(folder)], "stability", pd.DataFrame({"value": [0.5]}))
    """
    deliver(loggers, "tables", lambda sink: sink.table(safe_key(name), table))


def log_figure(loggers: Sequence[Logger], name: str, figure: Figure) -> None:
    """Send a figure to W&B, TensorBoard, MLflow and Comet; other loggers show none.

    Example:
        >>> import tempfile
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     log_figure([CSVLogger(folder)], "stability", Figure())
    """
    draw = cache(partial(figure_picture, figure))
    deliver(loggers, "figures", lambda sink: sink.picture(safe_key(name), draw, None))


def finish(loggers: Sequence[Logger]) -> None:
    """Tell every logger that the run has ended successfully, so that it writes what it still buffers.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     logger = CSVLogger(folder)
        ...     logger.log_metrics({"mege": 0.5}, step=7)
        ...     finish([logger])
        ...     Path(logger.log_dir, "metrics.csv").read_text().split()
        ['mege,step', '0.5,7']
    """
    deliver(loggers, "endings", lambda sink: sink.finish())
