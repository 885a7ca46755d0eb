"""Estimates how many points fit into memory at once."""

import torch
from torch import Tensor

# A CPU that runs out of memory often kills the process instead of raising, and gains nothing from large batches.
PIXELS_PER_CHUNK_ON_CPU = 2**19
PIXELS_PER_CHUNK = 2**24
# Size of the first of several chunks on a GPU, which shows how much memory a point takes. Fewer pixels would take as
# long, because launching the kernels dominates.
PIXELS_IN_FIRST_CHUNK = 2**22
# More than networks take per pixel of the image: 2 kB in a ResNet-50, 20 kB in a large vision transformer
BYTES_PER_PIXEL = 20_000
ONE_IMAGE = "expected enough memory for one"


def largest_chunk(point: Tensor) -> int:
    """Return the number of points beyond which a larger chunk is no faster.

    Example:
        >>> largest_chunk(torch.zeros(3, 224, 224))
        10
    """
    budget = PIXELS_PER_CHUNK_ON_CPU if point.device.type == "cpu" else PIXELS_PER_CHUNK
    return max(1, budget // point[0].numel())


def first_chunk(point: Tensor) -> int:
    """Return the number of points in the first of several chunks on a GPU.

    Example:
        >>> first_chunk(torch.zeros(3, 224, 224))
        83
    """
    return max(1, PIXELS_IN_FIRST_CHUNK // point[0].numel())


def surely_fitting(point: Tensor, free: int) -> int:
    """Return how many points fit into memory even with a large network.

    Args:
        point: `(C, H, W)`.
        free: Bytes that are free now.

    Example:
        >>> surely_fitting(torch.zeros(3, 224, 224), free=2**34)
        17
    """
    return max(1, free // (BYTES_PER_PIXEL * point[0].numel()))


def fitting_chunk(largest: int, first: int, taken: int, free: int) -> int:
    """Return how many points fit, given the memory that the first ones took.

    Args:
        largest: No more than this.
        first: Number of points that were evaluated.
        taken: Sum of all bytes that were allocated for them, an upper bound of those held at once.
        free: Bytes that are free now.

    Example:
        >>> fitting_chunk(83, 8, taken=8 * 2**28, free=2**33)
        32
        >>> fitting_chunk(83, 8, taken=8 * 2**20, free=2**33), fitting_chunk(83, 8, taken=2**40, free=2**33)
        (83, 1)
    """
    return max(1, min(largest, free * first // max(taken, 1)))


def allocated_so_far(device: torch.device) -> int:
    """Return the bytes that this process ever allocated on a GPU, as the allocator counts, without waiting for it."""
    return int(torch.cuda.memory_stats(device).get("allocated_bytes.all.allocated", 0))


def free_bytes(device: torch.device) -> int:
    """Return the bytes of a GPU that this process can still allocate."""
    free, _ = torch.cuda.mem_get_info(device)
    return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))


def is_out_of_memory(error: Exception) -> bool:
    """Return whether a device or the CPU ran out of memory.

    Example:
        >>> is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
        True
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    message = str(error)
    return isinstance(error, RuntimeError) and ("DefaultCPUAllocator" in message or "not enough memory" in message)
