"""Predicts and explains images with a model, a batch at a time."""

from collections.abc import Callable, Iterator, Sequence

import torch
from rich.progress import track
from torch import Tensor, nn

from lightning_spx.attribution import Attribution
from lightning_spx.attribution.by_segments import BySegments
from lightning_spx.evaluation.maps.readings import check_logits, predicted
from lightning_spx.guard import between_zero_and_one
from lightning_spx.models.image_model import Head
from lightning_spx.models.network_name import network_name
from lightning_spx.runs.processes import gather_images, is_writer, own_share

# so many logits of findings that lie in [0, 1] and so far apart are none: a network that is barely trained has others
MANY_OUTPUTS, WIDE = 32, 0.5


def predict(
    model: nn.Module,
    images: Tensor,
    batch_size: int,
    device: torch.device,
    threshold: float = 0.0,
    numbers: Sequence[int] | None = None,
) -> Tensor:
    """Predict the class of every image, in evaluation mode.

    Args:
        model: maps images (n, 3, H, W) in [0, 1] to logits (n, K), or to one output each, (n,).
        images: (N, 3, H, W).
        batch_size: number of images evaluated at a time.
        device: the model's device.
        threshold: for a model with one output; outputs above it mean class 1, all others class 0.
        numbers: the images' numbers in the data set, which the error names; by default 0 to N - 1.

    Returns:
        Predicted classes, (N,) int64 on the CPU.

    Raises:
        TypeError: the model returns no floating point tensor.
        ValueError: its output has another shape, or is NaN or infinite; the error then names the images.
    """
    outputs = _outputs(model, images, batch_size, device, "single_label", numbers)
    return torch.cat([(each.argmax(1) if each.ndim > 1 else (each > threshold).long()).cpu() for each in outputs])


def predict_findings(
    model: nn.Module,
    images: Tensor,
    num_findings: int,
    batch_size: int,
    device: torch.device,
    numbers: Sequence[int] | None = None,
) -> Tensor:
    """Predict of every image which findings it has, those with a sigmoid above 0.5, in evaluation mode.

    Args:
        model: maps images (n, C, H, W) in [0, 1] to logits (n, K), one for each finding.
        images: (N, C, H, W).
        num_findings: number of findings, K.
        batch_size: number of images evaluated at a time.
        device: the model's device.
        numbers: the images' numbers in the data set, which the error names; by default 0 to N - 1.

    Returns:
        (N, K) int64 on the CPU, 1 for a predicted finding.

    Raises:
        TypeError: the model returns no floating point tensor.
        ValueError: its output has another shape, is NaN or infinite, or looks like probabilities.
    """
    logits = torch.cat([each.cpu() for each in _outputs(model, images, batch_size, device, "multi_label", numbers)])
    name = network_name(model)
    if logits.shape[1] != num_findings:
        raise ValueError(
            f"Expected {name} to return {num_findings} logits, one for each finding, got {logits.shape[1]}."
        )
    spread = float(logits.max() - logits.min())
    if logits.numel() >= MANY_OUTPUTS and spread >= WIDE and bool(between_zero_and_one(logits).all()):
        raise ValueError(
            f"Expected {name} to return logits, got values that all lie in [0, 1], as probabilities do: "
            "give the model without its sigmoid."
        )
    return predicted(logits, given=False, head="multi_label")


def _outputs(
    model: nn.Module,
    images: Tensor,
    batch_size: int,
    device: torch.device,
    head: Head,
    numbers: Sequence[int] | None,
) -> Iterator[Tensor]:
    """Yield the logits of one batch after the other; raise for one that is no logits or not finite."""
    model.eval()
    name = network_name(model)
    for positions in batches(len(images), batch_size):
        with torch.no_grad():
            logits = check_logits(model(images[positions].to(device)), name, len(positions), head)
        broken = ~logits.isfinite().flatten(1).all(1) if logits.ndim > 1 else ~logits.isfinite()
        if broken.any():
            known = range(len(images)) if numbers is None else numbers
            named = [known[position] for position, bad in zip(positions, broken.tolist(), strict=True) if bad]
            raise ValueError(f"Expected finite outputs of {name}, got NaN or infinity for images {named}.")
        yield logits


def explain(
    model: nn.Module,
    method: Attribution,
    images: Tensor,
    target: Tensor | None,
    *,
    batch_size: int,
    device: torch.device,
    advance: Callable[[int], object] | None = None,
    image: Tensor | None = None,
    segments: Tensor | None = None,
) -> Tensor:
    """Attribute every image's target class to its pixels, or every item's finding to the pixels of its image.

    Args:
        model: the model, as for `predict`.
        method: the attribution method.
        images: (N, 3, H, W).
        target: (N,) the class to explain for each image; None for a model with one output.
        batch_size: number of images explained at a time.
        device: the model's device.
        advance: called after each batch with its number of images.
        image: (I,) positions of the images that targets (I,) belong to, so that an image may have several; None if
            each image has one target.
        segments: (N, L, H, W), or (I, L, H, W), of a method that explains by them; None for all others.

    Returns:
        (N, 3, H, W) float32 on the CPU, or (I, 3, H, W).
    """
    results = []
    for positions in batches(len(images) if image is None else len(image), batch_size):
        own = None if target is None else target[positions].to(device)
        chosen = positions if image is None else image[positions]
        given = None if segments is None else segments[positions].to(device)
        results.append(_attributed(model, method, images[chosen].to(device), own, given).cpu())
        if advance is not None:
            advance(len(positions))
    return torch.cat(results)


def explain_together(
    model: nn.Module,
    method: Attribution,
    images: Tensor,
    target: Tensor,
    *,
    batch_size: int,
    device: torch.device,
    description: str,
    segments: Tensor | None = None,
) -> Tensor:
    """Explain images as `explain` does, but divide them among the processes and show a progress bar.

    Args:
        model: the model, as for `predict`.
        method: the attribution method.
        images: (N, 3, H, W).
        target: (N,) the class to explain for each image.
        batch_size: number of images explained at a time.
        device: the model's device.
        description: text beside the progress bar.
        segments: as for `explain`.

    Returns:
        (N, 3, H, W) float32 on the CPU, the same on every process.
    """
    share = own_share(len(images))
    results = [
        _attributed(
            model,
            method,
            images[share][positions].to(device),
            target[share][positions].to(device),
            None if segments is None else segments[share][positions].to(device),
        ).cpu()
        for positions in track(
            list(batches(len(share), batch_size)), description, disable=not is_writer(), transient=True
        )
    ]
    return gather_images(torch.cat(results), share)


def _attributed(
    model: nn.Module, method: Attribution, images: Tensor, target: Tensor | None, segments: Tensor | None
) -> Tensor:
    if segments is not None and isinstance(method, BySegments):
        return method.attribute_over(model, images, target, segments)
    return method.attribute(model, images, target)


def batches(num_images: int, batch_size: int) -> Iterator[list[int]]:
    """Yield the positions 0 to num_images - 1 in batches.

    Example:
        >>> list(batches(3, 2))
        [[0, 1], [2]]
    """
    for start in range(0, num_images, batch_size):
        yield list(range(start, min(start + batch_size, num_images)))
