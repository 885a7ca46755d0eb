"""Models and images -> predictions and attributions, shared out over the processes of a distributed run."""

from collections.abc import Callable, Iterator

import torch
from rich.progress import track
from torch import Tensor, distributed, nn
from torch.utils.data import DistributedSampler, TensorDataset

from lightning_spx.attribution import Attribution


def num_processes() -> int:
    """Number of processes that share the work; 1 where nothing is distributed."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def is_writer() -> bool:
    """Whether this process writes files: the first of a distributed run, or the only one."""
    return num_processes() == 1 or distributed.get_rank() == 0


def own_share(num_images: int) -> list[int]:
    """Positions of the images that this process works on.

    As every distributed sampler does, this repeats some images where the processes do not divide their number;
    `gather_images` removes them again.
    """
    if num_processes() == 1:
        return list(range(num_images))
    return list(DistributedSampler(TensorDataset(torch.empty(num_images)), shuffle=False))


def gather_images(values: Tensor, positions: list[int]) -> Tensor:
    """Collect per-image values of all processes in the order of the images, each image once.

    Args:
        values: (n, ...) this process's values; all processes have equally many.
        positions: of these n images in the data set; a sampler may have repeated some.

    Returns:
        (N, ...) values of all images, the same on every process.

    Example:
        >>> gather_images(torch.tensor([30, 10, 20, 10]), [2, 0, 1, 0])
        tensor([10, 20, 30])
    """
    place = torch.tensor(positions, device=values.device)
    if num_processes() > 1:
        all_values = [torch.empty_like(values) for _ in range(num_processes())]
        all_places = [torch.empty_like(place) for _ in range(num_processes())]
        distributed.all_gather(all_values, values.contiguous())
        distributed.all_gather(all_places, place)
        values, place = torch.cat(all_values), torch.cat(all_places)
    order = place.argsort(stable=True)
    ordered = place[order]
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return values[order[first]]


def predict(model: nn.Module, images: Tensor, batch_size: int, device: torch.device, threshold: float = 0.0) -> Tensor:
    """Predict the class of every image, in evaluation mode.

    Args:
        model: maps (n, 3, H, W) in [0, 1] to (n, K) logits, or to (n,): 1 above the threshold and else 0.
        images: (N, 3, H, W).
        batch_size: images at a time.
        device: where the model is.
        threshold: of a model with one output.

    Returns:
        (N,) int64.

    Raises:
        ValueError: an output is NaN or infinite; names the images.
    """
    model.eval()

    def logits_of(batch: Tensor, positions: list[int]) -> Tensor:
        with torch.no_grad():
            logits = model(batch)
        broken = ~logits.isfinite().flatten(1).all(1) if logits.ndim > 1 else ~logits.isfinite()
        if broken.any():
            named = [position for position, bad in zip(positions, broken.tolist(), strict=True) if bad]
            raise ValueError(
                f"Expected finite outputs of {type(model).__name__}, got NaN or infinity for images {named}."
            )
        preds: Tensor = logits.argmax(1) if logits.ndim > 1 else (logits > threshold).long()
        return preds

    return _for_each_batch(logits_of, images, batch_size, device, "predict")


def explain(
    model: nn.Module,
    method: Attribution,
    images: Tensor,
    target: Tensor | None,
    *,
    batch_size: int,
    device: torch.device,
    description: str,
) -> Tensor:
    """Attribute every image's target class to its pixels, with a progress bar.

    Args:
        model: as for `predict`.
        method: the attribution method.
        images: (N, 3, H, W).
        target: (N,) the class to explain for each; None for a model with one output.
        batch_size: images at a time.
        device: where the model is.
        description: of the progress bar.

    Returns:
        (N, 3, H, W) float32 on the CPU, the same on every process.
    """

    def attribution_of(batch: Tensor, positions: list[int]) -> Tensor:
        return method.attribute(model, batch, None if target is None else target[positions].to(device))

    return _for_each_batch(attribution_of, images, batch_size, device, description)


def _for_each_batch(
    function: Callable[[Tensor, list[int]], Tensor],
    images: Tensor,
    batch_size: int,
    device: torch.device,
    description: str,
) -> Tensor:
    share = own_share(len(images))
    results = [
        function(images[positions].to(device), positions)
        for positions in track(list(_batches(share, batch_size)), description, disable=not is_writer(), transient=True)
    ]
    return gather_images(torch.cat(results), share).cpu()


def _batches(positions: list[int], batch_size: int) -> Iterator[list[int]]:
    for start in range(0, len(positions), batch_size):
        yield positions[start : start + batch_size]
