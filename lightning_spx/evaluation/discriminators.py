"""The discriminators of a CycleGAN as models of a study: which images they judge, and how well."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lightning_spx.data import ImageDataModule, UnpairedDataModule, stratified_draw
from lightning_spx.evaluation.checkpoints import check_exists
from lightning_spx.evaluation.drawn_images import DrawnImages, stacked
from lightning_spx.evaluation.members import Member, ModelFactory, describe, load_checkpoint
from lightning_spx.evaluation.run_folder import RunFolder
from lightning_spx.models import CycleGAN, Part, PatchScore, Region, separation_auc

DOMAIN = {"discriminator_a": 0, "discriminator_b": 1}
# between the scores that a discriminator is trained to give, 0 for translated and 1 for real images
REAL_ABOVE = 0.5


def load_cyclegan(checkpoint: Path) -> CycleGAN:
    """Load a CycleGAN, in evaluation mode.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no checkpoint of one.
    """
    check_exists(checkpoint)
    try:
        return CycleGAN.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True).eval()
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"Expected a checkpoint of CycleGAN for `part`, got {checkpoint}: {reason}") from error


def draw_real(data: ImageDataModule, part: Part, num_images: int, seed: int) -> DrawnImages:
    """Draw real images of the set that a discriminator judges; their label is 1, real.

    Raises:
        ValueError: the data are not two sets of images, or hold fewer.
    """
    if not isinstance(data, UnpairedDataModule):
        raise ValueError(f"Expected `data` to be UnpairedDataModule for `part`, got {type(data).__name__}.")
    source = data.pool() if data.plan == "folds" else data.test()
    own = np.flatnonzero(source.labels == DOMAIN[part])
    if num_images > own.size:
        raise ValueError(f"Expected `num_images` to be at most {own.size}, the images of {part}, got {num_images}.")
    positions = own[stratified_draw(source.labels[own], num_images, seed)]
    return DrawnImages(source.__getitem__, torch.from_numpy(positions), torch.ones(num_images, dtype=torch.long))


def explained_part(module: nn.Module, part: Part, region: Region | None) -> PatchScore:
    """Return a discriminator of a CycleGAN as a model that can be explained.

    Raises:
        ValueError: the module is no CycleGAN.
    """
    if not isinstance(module, CycleGAN):
        raise ValueError(f"Expected `model` to be CycleGAN for `part`, got {type(module).__name__}.")
    return module.score(part, region).eval()


@torch.no_grad()
def discriminator_facts(
    member: Member,
    checkpoint: Path,
    run: RunFolder,
    data: ImageDataModule,
    factory: ModelFactory,
    part: Part,
    batch_size: int,
    device: torch.device,
) -> dict[str, object]:
    """Say how well a discriminator tells real test images from those that its own generator has translated."""
    model = load_checkpoint(checkpoint, factory).to(device)
    score = explained_part(model, part, None)
    if not isinstance(model, CycleGAN):
        raise TypeError(f"Expected a CycleGAN, got {type(model).__name__}.")
    scores: dict[int, list[Tensor]] = {0: [], 1: []}
    for domain, found in scores.items():
        positions = np.flatnonzero(data.test().labels == domain).tolist()
        for start in range(0, len(positions), batch_size):
            images, _ = stacked([data.test()[position] for position in positions[start : start + batch_size]])
            images = images.to(device)
            if domain != DOMAIN[part]:
                images = model.translate(images, to="a" if part == "discriminator_a" else "b")
            found.append(score(images).cpu())
    real, translated = torch.cat(scores[DOMAIN[part]]), torch.cat(scores[1 - DOMAIN[part]])
    auc, low, high = separation_auc(real, translated)
    return {
        **describe(member, checkpoint, run),
        "network": f"{type(model).__name__} {part}",
        "auc": auc,
        "auc_low": low,
        "auc_high": high,
        "num_real": len(real),
        "num_translated": len(translated),
    }
