"""Evaluate a stream of inputs in chunks, so that memory grows neither with images nor with steps or draws."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor

from lightning_spx.attribution.finite import FiniteCheck, NonFiniteError
from lightning_spx.attribution.memory import (
    FIRST_CHUNK,
    allocated_so_far,
    fitting_chunk,
    free_bytes,
    is_out_of_memory,
    largest_chunk,
)


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
    check: FiniteCheck | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """Evaluate points in chunks, halving the chunk for the rest of the stream when memory runs out.

    On a GPU the first chunk is a small one, and the memory that it takes decides on the size of the others.

    Args:
        method: Name of the attribution method, for messages.
        evaluate: From `(n, C, H, W)` and targets `(n,)` or None to one row for each point.
        points: Pairs of an image's position in the batch and a point `(C, H, W)`; taken only as they are needed.
        target: Class indices of the batch, `(N,)`, or None.
        chunk_size: Points evaluated at once; None chooses from the number of pixels and the free memory.
        check: What `evaluate` checks its values with, if they are to be looked at when the stream ends.

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
    if not waiting:
        return
    device, largest = waiting[0][1].device, largest_chunk(waiting[0][1])
    measured = chunk_size is None and device.type == "cuda"
    size = chunk_size or (min(largest, FIRST_CHUNK) if measured else largest)
    before = allocated_so_far(device) if measured else 0
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
            if not is_out_of_memory(error):
                raise
            if len(chunk) == 1:
                shape = "x".join(map(str, chunk[0][1].shape))
                raise torch.OutOfMemoryError(
                    f"{method}: expected enough memory for one {shape} image at a time, got: {error} "
                    "Use smaller images, a smaller model or bf16."
                ) from error
        # the next attempt starts outside `except`, whose traceback would keep the failed attempt's tensors alive
        if check is not None:
            check.belongs_to(images if rows is not None else [])
        if rows is None:
            size, measured = len(chunk) // 2, False
            continue
        if measured:
            taken = allocated_so_far(device) - before
            size, measured = fitting_chunk(largest, len(chunk), taken, free_bytes(device)), False
        yield from zip(images, rows, strict=True)
        waiting = waiting[len(chunk) :] or list(islice(stream, 1))
    if check is not None:
        check.finish()


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
