"""Says whether values need tensor operations, or whether loops on a CPU may read them from memory."""

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual


def needs_tensor_operations(*given: Tensor | None) -> bool:
    """Return whether loops that only read values would fail, or lose what is wanted of them.

    That is so on other devices, where a gradient or a tangent is wanted, under a transform of `torch.func`, while
    `torch.compile` traces, and for views that change signs.

    Args:
        given: tensors; None is left out.

    Example:
        >>> needs_tensor_operations(torch.zeros(1)), needs_tensor_operations(torch.zeros(1, requires_grad=True))
        (False, True)
    """
    if torch.compiler.is_compiling():
        return True
    return any(_needs(each) for each in given if each is not None)


def _needs(values: Tensor) -> bool:
    if values.device.type != "cpu" or (torch.is_grad_enabled() and values.requires_grad):
        return True
    if values.is_neg():
        # the memory of an imaginary part of a conjugate has the other sign
        return True
    if unpack_dual(values).tangent is not None:
        return True
    try:
        values.data_ptr()
    except RuntimeError:
        # a transform of torch.func wraps values, which then have no memory of their own
        return True
    return False
