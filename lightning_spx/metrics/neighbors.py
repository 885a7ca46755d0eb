"""Checks that a model's output for an image does not depend on the batch: else a score is not the image's own."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lightning_spx.guard.model_output import read_output

# Two logits may differ by this fraction of the largest logit. Rounding in float32 for another batch size is usually
# less; if it is not, batches of equal size are compared, which are rounded alike.
APART = 1e-4
# a user's model may raise any of these for a batch of another size than it was written for
REFUSALS = (RuntimeError, ValueError, TypeError, LookupError, AssertionError, MemoryError)


def check_neighbors(model: Callable[[Tensor], Tensor], images: Tensor, logits: Tensor) -> None:
    """Refuse a model that gives an image other logits alone than in a batch; costs the evaluation of one image.

    Args:
        model: the model, in evaluation mode, called without gradients.
        images: images that were evaluated together, shape (n,C,H,W); a single one cannot be checked.
        logits: their logits, shape (n,K).

    Raises:
        ValueError: if the logits of an image depend on the other images.

    Example:
        >>> images, model = torch.eye(2).view(2, 1, 1, 2), lambda x: (x - x.mean(0)).flatten(1)
        >>> check_neighbors(model, images, model(images))
        Traceback (most recent call last):
        ...
        ValueError: Expected <lambda> to answer each image by itself, got logits 0.5 apart among other images.
    """
    if len(images) < 2:
        return
    place = len(images) // 2
    image, other, among = images[place : place + 1], images[place - 1 : place], logits[place : place + 1]
    bound = APART * float(logits.abs().max())
    alone = _answer(model, image)
    if alone is not None and alone.shape == among.shape and _apart(alone, among) <= bound:
        return
    answers = [_answer(model, torch.cat([image, second])) for second in (other, image, image)]
    pair, copies, again = (None if each is None else each[:1] for each in answers)
    if pair is None or copies is None or again is None or _apart(copies, again) > bound:
        # it does not accept two images, or it is random in every call: not because of the neighbors
        return
    if _apart(pair, copies) > bound:
        name = type(model).__name__ if isinstance(model, nn.Module) else getattr(model, "__name__", repr(model))
        raise ValueError(
            f"Expected {name} to answer each image by itself, got logits {_apart(pair, copies):.3g} apart among other "
            "images."
        )


def _answer(model: Callable[[Tensor], Tensor], images: Tensor) -> Tensor | None:
    try:
        return read_output(model(images.clone()))
    except REFUSALS:
        return None


def _apart(first: Tensor, second: Tensor) -> float:
    return float((first.float() - second.float()).abs().max())
