"""Evaluate a stream of inputs in chunks, so that memory grows neither with images nor with steps or draws."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor

# A CPU that runs out of memory often kills the process instead of raising, and gains nothing from large batches.
PIXELS_PER_CHUNK_ON_CPU = 2**19
PIXELS_PER_CHUNK = 2**22


class NonFiniteError(ValueError):
    """A model's output or gradient is NaN or infinite.

    Args:
        method: Name of the attribution method.
        what: What is not finite, such as "model output".
        images: Positions of the images in the batch.
    """

    def __init__(self, method: str, what: str, images: list[int]) -> None:
        super().__init__(
            f"{method}: expected a finite {what}, got NaN or infinity for the images at positions {images}."
        )
        self.method = method
        self.what = what
        self.images = images


def require_finite(values: Tensor, what: str) -> None:
    """Raise NonFiniteError with the rows of `values` `(N, ...)` that hold a NaN or an infinity."""
    finite = values.isfinite().flatten(1).all(dim=1)
    if not bool(finite.all()):
        raise NonFiniteError("attribution", what, torch.nonzero(~finite).flatten().tolist())


def check_chunk_size(chunk_size: int | None) -> None:
    """Raise ValueError unless `chunk_size` is None or positive."""
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"Expected `chunk_size` to be positive or None, got {chunk_size}.")


def in_chunks(
    method: str,
    evaluate: Callable[[Tensor, Tensor | None], Tensor],
    points: Iterable[tuple[int, Tensor]],
    target: Tensor | None,
    chunk_size: int | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """Evaluate points in chunks, halving the chunk for the rest of the stream when memory runs out.

    Args:
        method: Name of the attribution method, for messages.
        evaluate: From `(n, C, H, W)` and targets `(n,)` or None to one row for each point.
        points: Pairs of an image's position in the batch and a point `(C, H, W)`; taken only as they are needed.
        target: Class indices of the batch, `(N,)`, or None.
        chunk_size: Points evaluated at once; None chooses from the number of pixels.

    Yields:
        The position and its row of the result, in the order of `points`.

    Raises:
        NonFiniteError: If `evaluate` raises it; positions in the chunk become positions in the batch.
        torch.OutOfMemoryError: If memory does not suffice for a single point.

    Example:
        >>> points = enumerate(torch.ones(3, 1, 2, 2))
        >>> [(image, row.item()) for image, row in in_chunks("Sum", lambda x, _: x.sum((1, 2, 3)), points, None, 2)]
        [(0, 4.0), (1, 4.0), (2, 4.0)]
    """
    stream = iter(points)
    waiting = list(islice(stream, 1))
    size = chunk_size or (_default_chunk_size(waiting[0][1]) if waiting else 1)
    while waiting:
        waiting += islice(stream, max(0, size - len(waiting)))
        chunk = waiting[:size]
        images = [image for image, _ in chunk]
        chosen = None if target is None else target[images]
        rows = None
        try:
            rows = evaluate(torch.stack([point for _, point in chunk]), chosen)
        except NonFiniteError as error:
            raise NonFiniteError(method, error.what, sorted({images[row] for row in error.images})) from None
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            if len(chunk) == 1:
                shape = "x".join(map(str, chunk[0][1].shape))
                raise torch.OutOfMemoryError(
                    f"{method}: expected enough memory for one {shape} image at a time, got: {error} "
                    "Use smaller images, a smaller model or bf16."
                ) from error
        # the next attempt starts outside `except`, whose traceback would keep the failed attempt's tensors alive
        if rows is None:
            size = len(chunk) // 2
            continue
        yield from zip(images, rows, strict=True)
        waiting = waiting[len(chunk) :] or list(islice(stream, 1))


def collected(rows: Iterable[tuple[int, Tensor]], inputs: Tensor) -> Tensor:
    """Return rows of any order as one float32 tensor of the shape of `inputs`.

    Example:
        >>> collected([(1, torch.tensor([5.0])), (0, torch.tensor([4.0]))], torch.zeros(2, 1))
        tensor([[4.],
                [5.]])
    """
    result = torch.zeros_like(inputs, dtype=torch.float32)
    for image, row in rows:
        result[image] = row
    return result


def _default_chunk_size(point: Tensor) -> int:
    budget = PIXELS_PER_CHUNK_ON_CPU if point.device.type == "cpu" else PIXELS_PER_CHUNK
    return max(1, budget // point[0].numel())


def _is_out_of_memory(error: RuntimeError) -> bool:
    message = str(error)
    return (
        isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in message or "not enough memory" in message
    )
