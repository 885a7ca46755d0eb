"""Lets a study explain the discriminators of a CycleGAN: draws the images that they judge, and measures how well."""

import numpy as np
import torch
from torch import Tensor

from lightning_spx.data import ImageDataModule, UnpairedDataModule
from lightning_spx.evaluation.maps.sampled_images import SampledImages, independent_images, stacked
from lightning_spx.evaluation.training.study_models import StudyModel, TrainingRecipe, checkpoint_file, describe
from lightning_spx.models import Part, PatchScore, separation_auc
from lightning_spx.models.judge import load_judge
from lightning_spx.runs.folder import RunFolder

DOMAIN = {"discriminator_a": 0, "discriminator_b": 1}
# midway between the scores that a discriminator is trained to give: 0 for translated and 1 for real images
REAL_ABOVE = 0.5


def draw_real(data: ImageDataModule, part: Part, num_images: int, seed: int) -> SampledImages:
    """Draw real images of the set that a discriminator judges; their label is 1, which means real.

    Raises:
        ValueError: the data are not two sets of images, or hold fewer such images than `num_images`.
    """
    if not isinstance(data, UnpairedDataModule):
        raise ValueError(f"Expected `data` to be UnpairedDataModule for `part`, got {type(data).__name__}.")
    source = data.pool() if data.plan == "folds" else data.test()
    own = np.flatnonzero(source.labels == DOMAIN[part])
    if num_images > own.size:
        raise ValueError(f"Expected `num_images` to be at most {own.size}, the images of {part}, got {num_images}.")
    groups = None if source.groups is None else source.groups[own]
    positions = own[independent_images(source.labels[own], num_images, seed, groups)]
    return SampledImages(
        name=data.name,
        fingerprint=data.fingerprint(),
        sample=source.__getitem__,
        index=torch.from_numpy(positions),
        label=torch.ones(num_images, dtype=torch.long),
        num_classes=data.num_classes,
    )


@torch.no_grad()
def discriminator_facts(
    model: StudyModel, run: RunFolder, recipe: TrainingRecipe, part: Part, batch_size: int, device: torch.device
) -> dict[str, object]:
    """Measure how well a discriminator tells real test images from those that its generator, if any, translated."""
    judge = load_judge(checkpoint_file(model, run), part, recipe.model)
    described = describe(model, run)
    if judge.cyclegan is None:
        # without a generator, nothing can be translated
        return {**described, "network": f"original CycleGAN {part}"}
    cyclegan = judge.cyclegan.to(device)
    score = PatchScore(judge.discriminator).eval()
    test = recipe.data.test()
    scores: dict[int, list[Tensor]] = {0: [], 1: []}
    for domain, found in scores.items():
        positions = np.flatnonzero(test.labels == domain).tolist()
        for start in range(0, len(positions), batch_size):
            images, _ = stacked([test[position] for position in positions[start : start + batch_size]])
            images = images.to(device)
            if domain != DOMAIN[part]:
                images = cyclegan.translate(images, to="a" if part == "discriminator_a" else "b")
            found.append(score(images).cpu())
    real, translated = torch.cat(scores[DOMAIN[part]]), torch.cat(scores[1 - DOMAIN[part]])
    auc, low, high = separation_auc(real, translated)
    return {
        **described,
        "network": f"{type(cyclegan).__name__} {part}",
        "auc": auc,
        "auc_low": low,
        "auc_high": high,
        "num_real": len(real),
        "num_translated": len(translated),
    }
