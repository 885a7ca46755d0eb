"""Lightning's own commands, with errors that name the checkpoint that could not be read or written."""

from pathlib import Path
from typing import Any

from lightning import Trainer
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.plugins import TorchCheckpointIO

from lightning_spx.models.checkpoint_file import check_resumable
from lightning_spx.runs.files import named_when_full


class NamedCheckpoints(TorchCheckpointIO):
    """Writes checkpoints as Lightning does, but names the file in the error of a full disk."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None) -> None:
        """Write a checkpoint, whole or not at all."""
        with named_when_full(Path(path)):
            super().save_checkpoint(checkpoint, path, storage_options)


class TrainerCLI(LightningCLI):
    """Lightning's command line, with one-line errors that name a bad checkpoint."""

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse the words, and check the checkpoint if they name one by its path.

        Raises:
            ValueError: the file is damaged, or training cannot go on from it.
        """
        super().parse_arguments(parser, args)
        command = self.config.subcommand
        path = self.config[command].get("ckpt_path")
        # anything else is a word such as `best`, or a missing file, which Lightning reports by name
        if path is not None and Path(path).is_file():
            check_resumable(Path(path), training=command == "fit")

    def instantiate_trainer(self, **kwargs: object) -> Trainer:
        """Make the Trainer; a strategy with its own way of writing checkpoints keeps it."""
        trainer = super().instantiate_trainer(**kwargs)
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
            trainer.strategy.checkpoint_io = NamedCheckpoints()
        return trainer
