"""What the outputs of a classifier look like, whatever it says that they are."""

from torch import Tensor

# how far a sum of probabilities may be from 1: bfloat16 rounds each of them by up to 1 part in 256
ROUNDING = 1 / 200
# so few images have logits in [0, 1] by chance
FEW_IMAGES = 4
# and logits of a network that has hardly learnt lie there closer together than probabilities do
SPREAD = 0.25


def are_probabilities(outputs: Tensor) -> Tensor:
    """Return which rows of a network's outputs (n,K) may be probabilities, shape (n,): not negative and 1 in sum.

    A row of logits may be so by chance, the rows of many images are not. The log of probabilities is as good as logits.

    Example:
        >>> import torch
        >>> are_probabilities(torch.tensor([[0.25, 0.75], [0.5, 0.75], [1.5, -0.5]]))
        tensor([ True, False, False])
    """
    return (outputs >= 0).all(1) & ((outputs.float().sum(1) - 1).abs() <= ROUNDING)


def between_zero_and_one(outputs: Tensor) -> Tensor:
    """Return which rows of a network's outputs (n,) or (n,K) lie in [0, 1], shape (n,), as those of sigmoids do.

    A row of logits may do so by chance: look at `FEW_IMAGES` or more.

    Example:
        >>> import torch
        >>> between_zero_and_one(torch.tensor([[0.25, 0.25], [1.0, 1.0], [1.5, 0.5]]))
        tensor([ True,  True, False])
    """
    return ((outputs >= 0) & (outputs <= 1)).reshape(len(outputs), -1).all(1)
