"""Lightning's own commands, in which what is wrong with a checkpoint, read or written, is said with its name."""

from pathlib import Path
from typing import Any

from lightning import Trainer
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.plugins import TorchCheckpointIO

from lightning_spx.models.checkpoint_file import check_resumable
from lightning_spx.runs.files import named_when_full


class NamedCheckpoints(TorchCheckpointIO):
    """Lightning's checkpoints, but for a full disk, whose error names the file."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None) -> None:
        """Write a checkpoint, whole or not at all."""
        with named_when_full(Path(path)):
            super().save_checkpoint(checkpoint, path, storage_options)


class TrainerCLI(LightningCLI):
    """LightningCLI, but for the files of checkpoints: what is wrong with one is said in one line that names it."""

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse the words, and look into the checkpoint, where one is named by its path.

        Raises:
            ValueError: it is damaged, or no checkpoint to go on from.
        """
        super().parse_arguments(parser, args)
        command = self.config.subcommand
        path = self.config[command].get("ckpt_path")
        # else a word such as `best`, or a file that Lightning misses by name
        if path is not None and Path(path).is_file():
            check_resumable(Path(path), training=command == "fit")

    def instantiate_trainer(self, **kwargs: object) -> Trainer:
        """Make the Trainer, whose strategy may write checkpoints in a way of its own."""
        trainer = super().instantiate_trainer(**kwargs)
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
            trainer.strategy.checkpoint_io = NamedCheckpoints()
        return trainer
