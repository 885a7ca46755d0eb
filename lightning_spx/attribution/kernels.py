"""A Triton kernel for a GPU that adds a bias to the channels of a tensor."""

from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

kernel: Callable[[Callable[..., Any]], Any] = triton.jit

BLOCK = 2048


def add_to_channels(values: Tensor, bias: Tensor) -> None:
    """Add `bias` `(C,)` to the channels of `values` `(N, C, H, W)`, in place; both memory layouts work."""
    number, channels, height, width = values.shape
    by_row = values.is_contiguous()
    if not by_row and not values.is_contiguous(memory_format=torch.channels_last):
        values += bias[:, None, None]
        return
    rows, columns = (number * channels, height * width) if by_row else (number * height * width, channels)
    across = min(BLOCK, triton.next_power_of_2(columns))
    down = BLOCK // across
    grid = (triton.cdiv(rows, down), triton.cdiv(columns, across))
    # kernels run on the current device, which may not be the values' device
    with torch.cuda.device(values.get_device()):
        add_to_block[grid](values, bias, rows, columns, channels, BY_ROW=by_row, DOWN=down, ACROSS=across)


@kernel
def add_to_block(
    values: tl.tensor,
    bias: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    channels: tl.tensor,
    BY_ROW: tl.constexpr,
    DOWN: tl.constexpr,
    ACROSS: tl.constexpr,
) -> None:
    """Add to one block of the values, seen as a matrix whose rows (or columns) are the channels."""
    row = tl.program_id(0).to(tl.int64) * DOWN + tl.arange(0, DOWN)[:, None]
    column = tl.program_id(1) * ACROSS + tl.arange(0, ACROSS)[None, :]
    inside = (row < rows) & (column < columns)
    place = values + row * columns + column
    if BY_ROW:
        added = tl.load(bias + row % channels, mask=row < rows, other=0)
    else:
        added = tl.load(bias + column, mask=column < columns, other=0)
    tl.store(place, tl.load(place, mask=inside, other=0) + added, mask=inside)
