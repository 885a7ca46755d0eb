"""A bias added by a kernel: in place, and with the gradient of an addition."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from lightning_spx.attribution import shift
from lightning_spx.attribution.shift import add_bias
from tests.interpreted import number_passed


def test_the_interpreter_gives_what_an_addition_gives() -> None:
    cases = Path(__file__).with_name("kernel_cases.py")
    assert number_passed(cases, "lightning_spx.attribution.kernels") == 21


def test_the_gradient_is_that_of_an_addition() -> None:
    def kernel(values: Tensor, bias: Tensor) -> None:
        values += bias[:, None, None]

    inputs = torch.randn(2, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    bias = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)

    def shifted(values: Tensor) -> Tensor:
        result: Tensor = shift._Shifted.apply(2 * values, bias, kernel)
        return result.relu_()

    assert torch.equal(shifted(inputs), (2 * inputs + bias[:, None, None]).relu())
    assert torch.autograd.gradcheck(shifted, inputs)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_gpu_gives_the_same(layout: torch.memory_format, dtype: torch.dtype) -> None:
    values = torch.randn(7, 48, 31, 17, generator=torch.Generator().manual_seed(0)).to(dtype)
    bias = torch.arange(48.0).to(dtype)
    result = add_bias(values.cuda().contiguous(memory_format=layout), bias.cuda())
    assert torch.equal(result.cpu(), values + bias[:, None, None])
