"""What a classifier says of images: the probability of a class, in chunks, with the model left as it was."""

from collections.abc import Callable

import torch
from torch import Tensor

from lightning_spx.guard import unchanged
from lightning_spx.metrics.neighbours import check_neighbours

Model = Callable[[Tensor], Tensor]


def target_probability(model: Model, images: Tensor, target: Tensor, batch_size: int = 64) -> Tensor:
    """Return the softmax probability of each image's target class, in evaluation mode and without gradients.

    Args:
        model: any callable from (n,C,H,W) to logits (n,K); a module is switched to evaluation mode and back.
        images: shape (N,C,H,W).
        target: class of each image, shape (N,), int64.
        batch_size: images evaluated at a time.

    Returns:
        Probabilities, shape (N,), float32.

    Raises:
        TypeError: if the model returns no floating point tensor or `target` is not int64.
        ValueError: if the model does not return shape (n,K), an output is not finite, a target is no class, or an
            answer depends on the other images that are evaluated with it.

    Example:
        >>> target_probability(lambda x: x.flatten(1), torch.zeros(1, 1, 1, 4), torch.tensor([2]))
        tensor([0.2500])
    """
    if target.dtype != torch.int64:
        raise TypeError(f"Expected `target` to be int64, got {target.dtype}.")
    if target.shape != images.shape[:1]:
        raise ValueError(f"Expected `target` of shape ({len(images)},), got {tuple(target.shape)}.")
    if batch_size < 1:
        raise ValueError(f"Expected `batch_size` to be at least 1, got {batch_size}.")
    with torch.no_grad(), unchanged(model, images.device):
        parts = []
        for start in range(0, len(images), batch_size):
            here = slice(start, start + batch_size)
            # a copy: a model may scale its images in place
            logits = model(images[here].clone())
            parts.append(_probability(logits, target[here], start))
            if start == 0:
                check_neighbours(model, images[here], logits)
    return torch.cat(parts) if parts else torch.zeros(0, device=images.device)


def _probability(logits: Tensor, target: Tensor, start: int) -> Tensor:
    if not isinstance(logits, Tensor):
        raise TypeError(f"Expected the model to return a tensor of shape (N,K), got {type(logits).__name__}.")
    if not logits.is_floating_point():
        raise TypeError(f"Expected the model to return floating point logits, got {logits.dtype}.")
    if logits.ndim != 2 or len(logits) != len(target) or not logits.shape[1]:
        raise ValueError(f"Expected the model to return shape ({len(target)},K), got {tuple(logits.shape)}.")
    broken = ~logits.isfinite().all(1)
    if bool(broken.any()):
        positions = (start + torch.nonzero(broken).flatten()).tolist()
        raise ValueError(f"Expected a finite model output, got NaN or infinity for the images at {positions}.")
    if bool(((target < 0) | (target >= logits.shape[1])).any()):
        raise ValueError(f"Expected `target` to be 0 to {logits.shape[1] - 1}, got {target.tolist()}.")
    return logits.float().softmax(1).gather(1, target[:, None])[:, 0]
