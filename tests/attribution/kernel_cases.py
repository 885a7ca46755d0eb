"""Cases for the kernel of a GPU, for Triton's interpreter on a CPU; `test_shift.py` starts pytest on this file."""

import pytest
import torch

from lightning_spx.attribution.kernels import add_to_channels


@pytest.mark.parametrize("size", [(3, 5, 7, 6), (1, 64, 1, 1), (2, 3, 40, 60), (2, 33, 1, 2), (1, 2100, 2, 1)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
# bfloat16, which the interpreter cannot add, is left to a GPU
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_bias_is_added_in_place(
    size: tuple[int, int, int, int], layout: torch.memory_format, dtype: torch.dtype
) -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(size, generator=generator).to(dtype).contiguous(memory_format=layout)
    bias = torch.randn(size[1], generator=generator).to(dtype)
    expected = values + bias[:, None, None]
    add_to_channels(values, bias)
    assert torch.equal(values, expected)


def test_any_other_layout_is_added_to_too() -> None:
    values = torch.zeros(2, 3, 4, 5).transpose(2, 3)[:, :, ::2]
    add_to_channels(values, torch.arange(3.0))
    assert torch.equal(values, torch.arange(3.0)[None, :, None, None].expand_as(values))
