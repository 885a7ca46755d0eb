"""The folder of a run, by its first logger."""

from pathlib import Path

import pytest
from lightning import Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger, WandbLogger

from lightning_spx.reporting.trainer_folder import trainer_folder


def test_without_a_logger_there_is_none() -> None:
    assert trainer_folder(Trainer(logger=False, enable_progress_bar=False, accelerator="cpu")) is None


@pytest.mark.parametrize("logger", [CSVLogger, TensorBoardLogger])
def test_a_logger_with_versions_has_one_for_each(logger: type[CSVLogger | TensorBoardLogger], tmp_path: Path) -> None:
    (tmp_path / "lightning_logs" / "version_0").mkdir(parents=True)
    trainer = Trainer(logger=logger(tmp_path), enable_progress_bar=False, accelerator="cpu")
    assert trainer_folder(trainer) == tmp_path / "lightning_logs" / "version_1"
    assert not (tmp_path / "lightning_logs" / "version_1").exists()


def test_the_folder_under_wandb_is_that_of_the_run_and_not_the_current_one(tmp_path: Path) -> None:
    logger = WandbLogger(project="birds", save_dir=tmp_path, offline=True)
    folder = trainer_folder(Trainer(logger=logger, enable_progress_bar=False, accelerator="cpu"))
    assert folder == tmp_path / "birds" / str(logger.experiment.id)
    logger.experiment.finish()


def test_the_first_of_several_loggers_counts(tmp_path: Path) -> None:
    loggers = [CSVLogger(tmp_path / "first", version="mine"), CSVLogger(tmp_path / "second")]
    trainer = Trainer(logger=loggers, enable_progress_bar=False, accelerator="cpu")
    assert trainer_folder(trainer) == tmp_path / "first" / "lightning_logs" / "mine"
