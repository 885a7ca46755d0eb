"""The discriminators of a CycleGAN as models of a study: which images they judge, and how well."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lightning_spx.data import ImageDataModule, UnpairedDataModule, stratified_draw
from lightning_spx.evaluation.maps.sampled_images import DrawnImages, stacked
from lightning_spx.evaluation.training.study_models import Member, ModelFactory, describe, load_checkpoint
from lightning_spx.models import CycleGAN, Part, PatchDiscriminator, PatchScore, separation_auc
from lightning_spx.models.checkpoint_file import check_exists
from lightning_spx.models.original_cyclegan import original_discriminator, original_state
from lightning_spx.models.safe_file import read_plain
from lightning_spx.runs.folder import RunFolder

DOMAIN = {"discriminator_a": 0, "discriminator_b": 1}
# the original code names a discriminator after the generator that it teaches, ours after the images that it judges
ORIGINAL_NAME = re.compile(r"net_D_([AB])(?![a-zA-Z0-9])")
ORIGINAL_PART: dict[str, Part] = {"A": "discriminator_b", "B": "discriminator_a"}
# between the scores that a discriminator is trained to give, 0 for translated and 1 for real images
REAL_ABOVE = 0.5


@dataclass(frozen=True)
class Judge:
    """A discriminator, in evaluation mode.

    Args:
        discriminator: from images in [0, 1] to patch scores.
        cyclegan: whose it is; None for a file of the original code, which holds a discriminator alone.
    """

    discriminator: PatchDiscriminator
    cyclegan: CycleGAN | None


def load_judge(checkpoint: Path, part: Part, factory: ModelFactory | None = None) -> Judge:
    """Load a discriminator from a checkpoint of CycleGAN, or from a file of its original code.

    Args:
        checkpoint: of ours, or such as `latest_net_D_A.pth`.
        part: the discriminator, by the images that it judges.
        factory: makes the untrained CycleGAN; None: as the checkpoint says.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds no such discriminator; says what it holds.
    """
    alone = load_original(checkpoint, part)
    if alone is not None:
        return Judge(alone, None)
    model = load_cyclegan(checkpoint) if factory is None else load_checkpoint(checkpoint, factory)
    if not isinstance(model, CycleGAN):
        raise ValueError(f"Expected `model` to be CycleGAN for `part`, got {type(model).__name__}.")
    return Judge(model.discriminator_a if part == "discriminator_a" else model.discriminator_b, model)


def load_original(checkpoint: Path, part: Part) -> PatchDiscriminator | None:
    """Load a discriminator from a file of the original code of CycleGAN; None if the file is no such one.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is another network of that code, or by its name the other discriminator.
    """
    check_exists(checkpoint)
    try:
        state = original_state(read_plain(checkpoint))
    except ValueError:
        # who reads it as a checkpoint says what is wrong with it
        return None
    if state is None:
        return None
    try:
        discriminator = original_discriminator(state)
    except ValueError as error:
        raise ValueError(f"Expected a discriminator in {checkpoint} for `part`, but {error}.") from error
    named = ORIGINAL_NAME.search(checkpoint.name)
    if named is not None and ORIGINAL_PART[named[1]] != part:
        other = "B" if named[1] == "A" else "A"
        raise ValueError(
            f"Expected `part` to be {ORIGINAL_PART[named[1]]} for {checkpoint}, got {part}: D_{named[1]} of the "
            f"original code judges images of {other}."
        )
    return discriminator.eval()


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
    """Say how well a discriminator tells real test images from those that its generator, if there, has translated."""
    judge = load_judge(checkpoint, part, factory)
    if judge.cyclegan is None:
        # no generator, so nothing translated
        return {**describe(member, checkpoint, run), "network": f"original CycleGAN {part}"}
    model = judge.cyclegan.to(device)
    score = PatchScore(judge.discriminator).eval()
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
