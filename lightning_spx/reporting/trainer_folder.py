"""The folder that a run of a Trainer has for itself."""

from pathlib import Path

from lightning import Trainer


def trainer_folder(trainer: Trainer) -> Path | None:
    """Return the run's own folder under its first logger, `<save_dir>/<name>/<version>`; None without a logger.

    `Trainer.log_dir` is no such folder for every logger: that of W&B is the current one by default, where a file of the
    user's may have the name of ours. To be called on the first process.

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
        # W&B knows the name of its run only once the run has begun
        getattr(first, "experiment", None)
    version = first.version if isinstance(first.version, str) else f"version_{first.version}"
    return Path(first.save_dir or trainer.default_root_dir) / str(first.name) / version
