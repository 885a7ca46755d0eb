"""Lightning's own commands, which refuse a checkpoint that the Trainer cannot use before anything is built."""

from pathlib import Path

from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI

from lightning_spx.evaluation.checkpoints import check_resumable


class TrainerCLI(LightningCLI):
    """LightningCLI, but for the file in `ckpt_path`: what is wrong with it is said in one line that names it."""

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
