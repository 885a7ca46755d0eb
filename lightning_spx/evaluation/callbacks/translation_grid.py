"""The callback that draws photos, their translations and the way back while a CycleGAN trains."""

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from PIL import Image

from lightning_spx.models import CycleGAN
from lightning_spx.reporting import log_picture, map_grid
from lightning_spx.reporting.trainer_folder import trainer_folder
from lightning_spx.runs.files import write_atomic


class TranslationGrid(Callback):
    """Draw the first validation images beside their translations after a validation.

    Every logger gets the picture. If a logger has a folder, it is also written there as `translations/epochNNNN.png`.

    Args:
        num_images: number of images of each set, 1 or more.
        every_n_epochs: number of epochs between two pictures, 1 or more.

    Raises:
        ValueError: a number is out of its range.

    Example:
        >>> TranslationGrid(num_images=4).every_n_epochs
        1
    """

    def __init__(self, num_images: int = 4, every_n_epochs: int = 1) -> None:
        for name, value in (("num_images", num_images), ("every_n_epochs", every_n_epochs)):
            if value < 1:
                raise ValueError(f"Expected `{name}` to be at least 1, got {value}.")
        self.num_images = num_images
        self.every_n_epochs = every_n_epochs

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Translate and draw."""
        if not isinstance(pl_module, CycleGAN):
            raise TypeError(f"Expected TranslationGrid beside a CycleGAN, got {type(pl_module).__name__}.")
        # only one process draws, so nothing in here may wait for the others
        if trainer.sanity_checking or not trainer.is_global_zero or (trainer.current_epoch + 1) % self.every_n_epochs:
            return
        pairs = getattr(trainer.val_dataloaders, "dataset", [])
        images = [pairs[position] for position in range(min(self.num_images, len(pairs)))]
        columns = {}
        with torch.no_grad():
            for own, other in (("a", "b"), ("b", "a")):
                real = torch.stack([item[f"image_{own}"] for item in images]).to(pl_module.device)
                translated = pl_module.translate(real, to="b" if other == "b" else "a")
                back = pl_module.translate(translated, to="a" if other == "b" else "b")
                columns[f"{own.upper()}"] = real.cpu()
                columns[f"{own.upper()} to {other.upper()}"] = translated.float().cpu()
                columns[f"and back to {own.upper()}"] = back.float().cpu()
        picture = map_grid(columns)
        log_picture(trainer.loggers, "translations", picture, trainer.global_step)
        folder = trainer_folder(trainer)
        if folder is not None:
            file = folder / "translations" / f"epoch{trainer.current_epoch:04d}.png"
            write_atomic(file, Image.fromarray(picture).save)
