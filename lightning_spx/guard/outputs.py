"""Tells from a classifier's outputs whether they are probabilities or logits."""

from torch import Tensor

# a sum of probabilities may differ from 1 by this much: bfloat16 rounds each by up to 1 part in 256
ROUNDING = 1 / 200
# the logits of fewer images may lie in [0, 1] by chance
FEW_IMAGES = 4
# the logits of a barely trained network may lie there too, but closer together than probabilities
SPREAD = 0.25


def are_probabilities(outputs: Tensor) -> Tensor:
    """Return which rows of outputs (n,K) may be probabilities, shape (n,): not negative and with sum 1.

    One row of logits may look so by chance, but not the rows of many images. Log probabilities count as logits.

    Example:
        >>> import torch
        >>> are_probabilities(torch.tensor([[0.25, 0.75], [0.5, 0.75], [1.5, -0.5]]))
        tensor([ True, False, False])
    """
    return (outputs >= 0).all(1) & ((outputs.float().sum(1) - 1).abs() <= ROUNDING)


def between_zero_and_one(outputs: Tensor) -> Tensor:
    """Return which rows of outputs (n,) or (n,K) lie in [0, 1], as sigmoids give, shape (n,).

    A row of logits may do so by chance, so check at least `FEW_IMAGES` rows.

    Example:
        >>> import torch
        >>> between_zero_and_one(torch.tensor([[0.25, 0.25], [1.0, 1.0], [1.5, 0.5]]))
        tensor([ True,  True, False])
    """
    return ((outputs >= 0) & (outputs <= 1)).reshape(len(outputs), -1).all(1)
