"""The probability that a classifier gives a class: in chunks, and without changing the model."""

import warnings
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from lightning_spx.guard import are_probabilities, between_zero_and_one, unchanged
from lightning_spx.guard.model_output import read_output
from lightning_spx.guard.outputs import FEW_IMAGES, SPREAD
from lightning_spx.metrics.neighbors import check_neighbors

Model = Callable[[Tensor], Tensor]


def target_probability(model: Model, images: Tensor, target: Tensor, batch_size: int = 64) -> Tensor:
    """Return the softmax probability of each image's target class, in evaluation mode and without gradients.

    Outputs that already are probabilities for every image are used unchanged, with a warning; so are the outputs of
    four or more images that all lie in [0, 1], as sigmoids give.

    Args:
        model: any callable from (n,C,H,W) to logits (n,K); a module is switched to evaluation mode and back.
        images: shape (N,C,H,W).
        target: class of each image, shape (N,), int64.
        batch_size: number of images evaluated at a time.

    Returns:
        Probabilities, shape (N,), float32.

    Raises:
        TypeError: if the model returns no floating point tensor or `target` is not int64.
        ValueError: if the model does not return shape (n,K) with two or more classes, an output is not finite, a target
            is not a class, or an output depends on the other images of its batch.

    Example:
        >>> target_probability(lambda x: x.flatten(1), torch.zeros(1, 1, 1, 4), torch.tensor([2]))
        tensor([0.2500])
    """
    return target_probabilities(model, [(images, target)], batch_size)[0]


def target_probabilities(model: Model, batches: Iterable[tuple[Tensor, Tensor]], batch_size: int) -> list[Tensor]:
    """Do the same as `target_probability` batch by batch, and interpret all outputs in the same way.

    Whether they are logits or probabilities is decided when all are known, because a few may look like both.

    Args:
        model: as in `target_probability`.
        batches: pairs of images (N,C,H,W) and targets (N,); each is requested after the previous one was measured.
        batch_size: number of images evaluated at a time.

    Returns:
        Probabilities of each batch, shape (N,), float32.
    """
    answers, looked_at = [], False
    for images, target in batches:
        # identical images, such as empty substrates, cannot show an influence of neighbors
        differ = not looked_at and bool((images != images[:1]).any())
        answers.append(_answers(model, images, target, batch_size, looked_at=differ))
        looked_at = looked_at or differ
    # in one tensor, because every read waits for the GPU
    looks = torch.cat([answer[2] for answer in answers]).bool() if answers else torch.zeros(0, 2, dtype=torch.bool)
    already, within = looks.all(0).tolist()
    # zeros throughout tell nothing
    within = within and len(looks) >= FEW_IMAGES and _spread(answers) >= SPREAD
    if not len(looks) or not (already or within):
        return [softmax for softmax, _, _ in answers]
    name = type(model).__name__ if isinstance(model, nn.Module) else getattr(model, "__name__", type(model).__name__)
    said = (
        "are probabilities already, not negative and with the sum 1 for every image: they are used as they are, "
        "without a softmax."
        if already
        else "look like probabilities of findings each by itself (sigmoids), as all of them lie in [0, 1]: they are "
        "used as they are, as a softmax over classes would be no probability."
    )
    warnings.warn(f"The outputs of {name} {said}", stacklevel=3)
    return [given for _, given, _ in answers]


def _spread(answers: Sequence[tuple[Tensor, Tensor, Tensor]]) -> float:
    given = torch.cat([given for _, given, _ in answers])
    return float(given.max() - given.min()) if len(given) else 0.0


def _answers(
    model: Model, images: Tensor, target: Tensor, batch_size: int, *, looked_at: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the target's softmax probability and output, (N,) each, and what the outputs look like, (N,2).

    The last one says which outputs may be probabilities and which lie in [0, 1]. With `looked_at`, the first images are
    evaluated once more in another batch.
    """
    check_target(target)
    if target.shape != images.shape[:1]:
        raise ValueError(f"Expected `target` of shape ({len(images)},), got {tuple(target.shape)}.")
    if batch_size < 1:
        raise ValueError(f"Expected `batch_size` to be at least 1, got {batch_size}.")
    with torch.no_grad(), unchanged(model, images.device):
        parts = []
        for start in range(0, len(images), batch_size):
            here = slice(start, start + batch_size)
            # a copy, because a model may scale its images in place
            logits = read_output(model(images[here].clone()))
            parts.append(_answer(logits, target[here], start))
            if looked_at and start == 0:
                check_neighbors(model, images[here], logits)
    if not parts:
        none = torch.zeros(0, device=images.device)
        return none, none, torch.zeros(0, 2, device=images.device)
    softmax, given, already = (torch.cat(each) for each in zip(*parts, strict=True))
    return softmax, given, already


def check_target(target: object) -> None:
    """Raise a TypeError unless the target is an int64 tensor.

    Example:
        >>> check_target(3)
        Traceback (most recent call last):
        TypeError: Expected `target` to be an int64 tensor, got int: give torch.full((len(images),), 3).
    """
    if isinstance(target, Tensor):
        if target.dtype != torch.int64:
            raise TypeError(f"Expected `target` to be an int64 tensor, got {target.dtype}: give target.long().")
        return
    advice = f"torch.full((len(images),), {target})" if isinstance(target, int) else "torch.as_tensor(target)"
    raise TypeError(f"Expected `target` to be an int64 tensor, got {type(target).__name__}: give {advice}.")


def _answer(logits: Tensor, target: Tensor, start: int) -> tuple[Tensor, Tensor, Tensor]:
    if not logits.is_floating_point():
        raise TypeError(f"Expected the model to return floating point logits, got {logits.dtype}.")
    if logits.ndim != 2 or len(logits) != len(target) or not logits.shape[1]:
        raise ValueError(f"Expected the model to return shape ({len(target)},K), got {tuple(logits.shape)}.")
    if logits.shape[1] == 1:
        raise ValueError(f"Expected the model to return (N,K) with 2 classes or more, got {tuple(logits.shape)}.")
    broken = ~logits.isfinite().all(1)
    if bool(broken.any()):
        positions = (start + torch.nonzero(broken).flatten()).tolist()
        raise ValueError(f"Expected a finite model output, got NaN or infinity for the images at {positions}.")
    if bool(((target < 0) | (target >= logits.shape[1])).any()):
        raise ValueError(f"Expected `target` to be 0 to {logits.shape[1] - 1}, got {target.tolist()}.")
    softmax, given = (each.gather(1, target[:, None])[:, 0] for each in (logits.float().softmax(1), logits.float()))
    return softmax, given, torch.stack([are_probabilities(logits), between_zero_and_one(logits)], 1)
