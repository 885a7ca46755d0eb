"""Finds the folder that belongs to one run of a Trainer."""

from pathlib import Path

from lightning import Trainer


def trainer_folder(trainer: Trainer) -> Path | None:
    """Return the run's own folder under its first logger, `<save_dir>/<name>/<version>`; None without a logger.

    `Trainer.log_dir` is not always such a folder: with W&B it is the current folder by default, where the user's files
    may have the same names as ours. Call this on the first process.

    Example:
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> folder = trainer_folder(Trainer(logger=CSVLogger("logs", version=3), enable_progress_bar=False))
        >>> folder.as_posix()
        'logs/lightning_logs/version_3'
    """
    if not trainer.loggers:
        return None
    first = trainer.loggers[0]
    if first.version is None:
        # W&B does not know the name of its run until the run has begun
        getattr(first, "experiment", None)
    version = first.version if isinstance(first.version, str) else f"version_{first.version}"
    return Path(first.save_dir or trainer.default_root_dir) / str(first.name) / version
