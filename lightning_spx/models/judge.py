"""Loads a CycleGAN discriminator from a checkpoint of this package, or from a file of the original code."""

import re
from dataclasses import dataclass
from pathlib import Path

from lightning_spx.models import CycleGAN, Part
from lightning_spx.models.checkpoint_file import ModelFactory, load_checkpoint
from lightning_spx.models.cyclegan_networks import PatchDiscriminator
from lightning_spx.models.original_cyclegan import original_discriminator, original_state
from lightning_spx.models.safe_file import read_plain
from lightning_spx.models.saved_weights import check_exists

# the original code names a discriminator after the generator that it trains, ours after the images that it judges
ORIGINAL_NAME = re.compile(r"net_D_([AB])(?![a-zA-Z0-9])")
ORIGINAL_PART: dict[str, Part] = {"A": "discriminator_b", "B": "discriminator_a"}


@dataclass(frozen=True)
class Judge:
    """A discriminator, in evaluation mode.

    Args:
        discriminator: maps images in [0, 1] to patch scores.
        cyclegan: its CycleGAN; None for a file of the original code, which contains only a discriminator.
    """

    discriminator: PatchDiscriminator
    cyclegan: CycleGAN | None


def load_judge(checkpoint: Path, part: Part, factory: ModelFactory | None = None) -> Judge:
    """Load a discriminator from a CycleGAN checkpoint, or from a file of the original code.

    Args:
        checkpoint: a checkpoint of this package, or a file such as `latest_net_D_A.pth`.
        part: the discriminator, by the images that it judges.
        factory: makes the untrained CycleGAN; None makes it as the checkpoint says.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it does not contain the discriminator; the message says what it contains.
    """
    alone = load_original(checkpoint, part)
    if alone is not None:
        return Judge(alone, None)
    model = load_cyclegan(checkpoint) if factory is None else load_checkpoint(checkpoint, factory)
    if not isinstance(model, CycleGAN):
        raise ValueError(f"Expected `model` to be CycleGAN for `part`, got {type(model).__name__}.")
    return Judge(model.discriminator_a if part == "discriminator_a" else model.discriminator_b, model)


def load_original(checkpoint: Path, part: Part) -> PatchDiscriminator | None:
    """Load a discriminator from a file of CycleGAN's original code; None if the file is something else.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is another network of that code, or its name says that it is the other discriminator.
    """
    check_exists(checkpoint)
    try:
        state = original_state(read_plain(checkpoint))
    except ValueError:
        # reading it as a checkpoint will raise the right error
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
        FileNotFoundError: the file does not exist.
        ValueError: it is not a checkpoint of a CycleGAN.
    """
    check_exists(checkpoint)
    try:
        return CycleGAN.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True).eval()
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"Expected a checkpoint of CycleGAN for `part`, got {checkpoint}: {reason}") from error
