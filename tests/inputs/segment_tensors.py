"""Tensors that no segmenter may give, for two images of 16 x 16 pixels."""

import torch
from torch import Tensor

QUARTERS = torch.tensor([[0, 1], [2, 3]]).repeat_interleave(8, 0).repeat_interleave(8, 1)
GOOD: Tensor = torch.stack([QUARTERS, QUARTERS])

# of another kind, shape or range
WRONG: dict[str, object] = {
    "none": None,
    "a list": GOOD.tolist(),
    "an array": GOOD.numpy(),
    "floating point": GOOD.float(),
    "not a number": torch.full_like(GOOD, torch.nan, dtype=torch.float32),
    "half precision": GOOD.half(),
    "complex": GOOD.to(torch.complex64),
    "truths": GOOD.bool(),
    "no images' axis": GOOD[0],
    "a channel": GOOD[:, None],
    "no pixels": GOOD[:, :0],
    "a number": torch.tensor(3),
    "negative ids": GOOD - 1,
    "one negative id": torch.cat([GOOD[:1], GOOD[1:] - 1]),
    "ids beyond the pixels": GOOD + 16 * 16,
    "ids of a terabyte": GOOD + 2**40,
    "the largest id": torch.full_like(GOOD, 2**63 - 1),
    "the smallest id": torch.full_like(GOOD, -(2**63)),
}
# integers of another width, and ids that are left out: an error where they matter, else the same as without
LOOSE: dict[str, Tensor] = {
    "gaps": GOOD * 2,
    "gaps in the second image": torch.stack([QUARTERS, QUARTERS * 2]),
    "no id 0": GOOD + 1,
    "32 bits": GOOD.int(),
    "16 bits": GOOD.short(),
    "8 bits": GOOD.byte(),
}
# right for other images
OTHERS: dict[str, Tensor] = {
    "a row less": GOOD[:, :-1].contiguous(),
    "an image less": GOOD[:1],
    "an image more": GOOD[:1].repeat(3, 1, 1),
    "turned": (QUARTERS[:, :4].T // 2).repeat(2, 1, 1),
}
