"""Finds the folder that belongs to one run of a Trainer."""

from pathlib import Path

from lightning import Trainer
from lightning.pytorch.loggers import Logger

from lightning_spx.reporting.delivery import deliver


def trainer_folder(trainer: Trainer) -> Path | None:
    """Return the run's own folder under its first logger, `<save_dir>/<name>/<version>`; None without one.

    `Trainer.log_dir` is not always such a folder: with W&B it is the current folder by default, where the user's files
    may have the same names as ours. Call this on the first process.

    Example:
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> folder = trainer_folder(Trainer(logger=CSVLogger("logs", version=3), enable_progress_bar=False))
        >>> folder.as_posix()
        'logs/lightning_logs/version_3'
    """
    found: list[Path] = []
    root = trainer.default_root_dir
    deliver(trainer.loggers[:1], "folders", lambda sink: found.append(_folder_of(sink.logger, root)))
    return found[0] if found else None


def _folder_of(logger: Logger, root: str) -> Path:
    if logger.version is None:
        # W&B does not know the name of its run until the run has begun
        getattr(logger, "experiment", None)
    version = logger.version if isinstance(logger.version, str) else f"version_{logger.version}"
    return Path(logger.save_dir or root) / str(logger.name) / version
