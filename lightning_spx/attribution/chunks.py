"""Evaluates a stream of inputs in chunks, so that memory grows neither with images nor with steps or draws."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from numbers import Integral

import torch
from torch import Tensor

from lightning_spx.attribution.finite import FiniteCheck, NonFiniteError
from lightning_spx.attribution.memory import (
    ONE_IMAGE,
    allocated_so_far,
    first_chunk,
    fitting_chunk,
    free_bytes,
    is_out_of_memory,
    largest_chunk,
    surely_fitting,
)


def check_chunk_size(chunk_size: int | None) -> None:
    """Raise ValueError unless `chunk_size` is None or positive, and TypeError unless it is an integer."""
    if chunk_size is None:
        return
    check_integer("chunk_size", chunk_size)
    if chunk_size < 1:
        raise ValueError(f"Expected `chunk_size` to be positive or None, got {chunk_size}.")


def check_integer(name: str, value: object) -> None:
    """Raise TypeError unless a setting is an integer.

    Example:
        >>> check_integer("num_steps", 2.5)
        Traceback (most recent call last):
        TypeError: Expected `num_steps` to be an integer, got 2.5.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"Expected `{name}` to be an integer, got {value!r}.")


def in_chunks(
    method: str,
    evaluate: Callable[[Tensor, Tensor | None], Tensor],
    points: Iterable[tuple[int, Tensor]],
    target: Tensor | None,
    chunk_size: int | None = None,
    check: FiniteCheck | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """Evaluate points in chunks, halving the chunk for the rest of the stream when memory runs out.

    On a GPU the first of several chunks is small, and the memory that it takes decides the size of the others. This is
    switched off if algorithms must be deterministic, because the last bits of a result depend on the chunk size. If
    memory runs out the chunk is halved even then, and these bits may differ from a run in which memory sufficed.

    Args:
        method: Name of the attribution method, for messages.
        evaluate: Maps points `(n, C, H, W)` and targets `(n,)` or None to one row per point.
        points: Pairs of an image's position in the batch and points of it, `(k, C, H, W)`; consumed as needed.
        target: Class indices of the batch, `(N,)`, or None.
        chunk_size: Points evaluated at once; None chooses by the number of pixels and the free memory.
        check: The check that `evaluate` uses, if its findings are to be raised when the stream ends.

    Yields:
        The position and rows of the result in the order of `points`, as many at a time as were evaluated together.

    Raises:
        NonFiniteError: If `evaluate` raises it; positions in the chunk become positions in the batch.
        torch.OutOfMemoryError: If memory does not suffice for a single point.

    Example:
        >>> points = [(0, torch.ones(3, 1, 2, 2)), (1, torch.ones(1, 1, 2, 2))]
        >>> [(image, rows.tolist()) for image, rows in in_chunks("Sum", lambda x, _: x.sum((1, 2, 3)), points, None, 2)]
        [(0, [4.0, 4.0]), (0, [4.0]), (1, [4.0])]
    """
    stream = iter(points)
    waiting = list(islice(stream, 1))
    if not waiting:
        return
    point = waiting[0][1][0]
    device, largest = point.device, largest_chunk(point)
    size = chunk_size or largest
    measured = False
    if chunk_size is None and device.type == "cuda" and torch.are_deterministic_algorithms_enabled():
        size = first_chunk(point)
    elif chunk_size is None and device.type == "cuda":
        certain = min(largest, surely_fitting(point, free_bytes(device)))
        # a few points need no division; of many, the first ones show how much memory a point takes
        measured = _filled(waiting, stream, certain + 1) > certain
        size = min(certain, first_chunk(point)) if measured else certain
    before = allocated_so_far(device) if measured else 0
    while waiting:
        _filled(waiting, stream, size)
        chunk, rest = _divided(waiting, size)
        images = [image for image, block in chunk for _ in range(len(block))]
        chosen = None if target is None else target[images]
        rows = None
        try:
            rows = evaluate(torch.cat([block for _, block in chunk]), chosen)
        except NonFiniteError as error:
            raise NonFiniteError(method, error.what, sorted({images[row] for row in error.images})) from None
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if len(images) == 1:
                shape = "x".join(map(str, chunk[0][1].shape[1:]))
                raise torch.OutOfMemoryError(
                    f"{method}: {ONE_IMAGE} {shape} image at a time, got: {str(error).rstrip('.') or 'none'}. "
                    "Lower `image_size`, set `precision` of the method to bf16, or take a smaller model."
                ) from error
        # the next attempt starts outside `except`, whose traceback would keep the failed attempt's tensors alive
        if check is not None:
            check.belongs_to(images if rows is not None else [])
        if rows is None:
            size, measured = len(images) // 2, False
            continue
        if measured:
            taken = allocated_so_far(device) - before
            size, measured = fitting_chunk(largest, len(images), taken, free_bytes(device)), False
        lengths = [len(block) for _, block in chunk]
        yield from zip((image for image, _ in chunk), torch.split(rows, lengths), strict=True)
        waiting = rest or list(islice(stream, 1))
    if check is not None:
        check.finish()


def _filled(waiting: list[tuple[int, Tensor]], stream: Iterator[tuple[int, Tensor]], size: int) -> int:
    """Take points from a stream until there are `size` or the stream ends; return how many there are."""
    count = sum(len(block) for _, block in waiting)
    while count < size and (more := next(stream, None)) is not None:
        waiting.append(more)
        count += len(more[1])
    return count


def _divided(blocks: list[tuple[int, Tensor]], size: int) -> tuple[list[tuple[int, Tensor]], list[tuple[int, Tensor]]]:
    """Return the first `size` points and the rest; a block that does not fit is cut."""
    count = 0
    for position, (image, block) in enumerate(blocks):
        if count + len(block) > size:
            here = [(image, block[: size - count])] if count < size else []
            return blocks[:position] + here, [(image, block[size - count :]), *blocks[position + 1 :]]
        count += len(block)
    return blocks, []


def one_each(images: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yield each image as its own single point.

    Example:
        >>> [(image, points.shape) for image, points in one_each(torch.zeros(2, 3, 4, 4))]
        [(0, torch.Size([1, 3, 4, 4])), (1, torch.Size([1, 3, 4, 4]))]
    """
    for position in range(len(images)):
        yield position, images[position : position + 1]


def collected(rows: Iterable[tuple[int, Tensor]], inputs: Tensor) -> Tensor:
    """Collect one row per image, in any order, into one float32 tensor of the shape of `inputs`.

    Example:
        >>> collected([(1, torch.tensor([[5.0]])), (0, torch.tensor([[4.0]]))], torch.zeros(2, 1))
        tensor([[4.],
                [5.]])
    """
    result = torch.zeros_like(inputs, dtype=torch.float32)
    for image, row in rows:
        result[image] = row[0]
    return result
