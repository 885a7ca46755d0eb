"""Average ranks and Spearman's rank correlation, exact for maps full of ties."""

import torch
from torch import Tensor

from lightning_spx.metrics.shapes import check_real


def average_ranks(values: Tensor, weights: Tensor | None = None) -> Tensor:
    """Rank the values of each row from 1; tied values share the mean of the ranks they fill.

    It equals `scipy.stats.rankdata(method="average")` with a single sort. A row with a NaN has NaN ranks.

    Args:
        values: shape (N,D), any real type.
        weights: how many equal values each entry represents, shape (N,D), non-negative whole numbers; super-pixel maps
            are ranked by segments in this way. None: one each.

    Returns:
        Ranks, shape (N,D), float64 (exact: half-integers).

    Raises:
        ValueError: if `values` is not two-dimensional or `weights` has another shape.

    Example:
        >>> import torch
        >>> average_ranks(torch.tensor([[0.3, 0.1, 0.3, 0.9]]))
        tensor([[2.5000, 1.0000, 2.5000, 4.0000]], dtype=torch.float64)
    """
    if values.ndim != 2:
        raise ValueError(f"Expected `values` of shape (N,D), got {tuple(values.shape)}.")
    if weights is not None and weights.shape != values.shape:
        raise ValueError(f"Expected `weights` of shape {tuple(values.shape)}, got {tuple(weights.shape)}.")
    ordered, order = sorted_values(values)
    if weights is None:
        upto = torch.arange(1, values.shape[1] + 1, dtype=torch.float64, device=values.device).expand(values.shape)
        below = upto - 1
    else:
        # added up as whole numbers, because a GPU may add floats in any order
        counts = weights.long().gather(1, order)
        upto = counts.cumsum(dim=1).double()
        below = upto - counts
    differs = ordered[:, 1:] != ordered[:, :-1]
    edge = torch.ones_like(order[:, :1], dtype=torch.bool)
    starts, ends = torch.cat([edge, differs], dim=1), torch.cat([differs, edge], dim=1)
    # Both counts grow along a row. So a running maximum spreads the number of values below a run of ties over the run,
    # and a running minimum from the right the number of values up to its end.
    below = below.where(starts, 0.0).cummax(dim=1).values
    upto = upto.where(ends, torch.inf).flip(1).cummin(dim=1).values.flip(1)
    ranks = torch.empty_like(below).scatter_(1, order, (below + upto + 1) / 2)
    return ranks.masked_fill_(values.isnan().any(dim=1, keepdim=True), torch.nan)


def sorted_values(values: Tensor) -> tuple[Tensor, Tensor]:
    """Sort each row in ascending order; a NaN comes last.

    Args:
        values: shape (N,D), any real type.

    Returns:
        The sorted values and their places in `values`, both of shape (N,D).

    Example:
        >>> import torch
        >>> sorted_values(torch.tensor([[0.3, 0.1, 0.2]]))
        (tensor([[0.1000, 0.2000, 0.3000]]), tensor([[1, 2, 0]]))
    """
    if values.device.type != "cpu" or values.dtype == torch.bfloat16:
        ordered, order = values.sort(dim=1)
        return ordered, order
    # NumPy sorts the pixels of a map six times faster than torch (measured)
    order = torch.from_numpy(values.detach().numpy().argsort(axis=1))
    return values.gather(1, order), order


def centered_ranks(values: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return average ranks minus their mean, (D + 1) / 2 (with weights, their sum takes the place of D).

    Example:
        >>> import torch
        >>> centered_ranks(torch.tensor([[5.0, 7.0, 6.0]]))
        tensor([[-1.,  1.,  0.]], dtype=torch.float64)
    """
    total = values.shape[1] if weights is None else weights.double().sum(dim=1, keepdim=True)
    return average_ranks(values, weights) - (total + 1) / 2


def cosine_similarity(first: Tensor, second: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the cosine of the angle between rows, in [-1, 1]; 0 if a row is all zero, exactly 1 for equal rows.

    Args:
        first: shape (..., D), float64.
        second: shape (..., D), float64.
        weights: how many equal entries each entry represents, shape (..., D); None: one each.

    Returns:
        Cosines, shape (...), float64; NaN if a row has a NaN.

    Example:
        >>> import torch
        >>> cosine_similarity(torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([[2.0, 0.0], [1.0, 0.0]]))
        tensor([1., 0.])
    """
    weighted_first = first if weights is None else first * weights
    weighted_second = second if weights is None else second * weights
    norms = ((weighted_first * first).sum(dim=-1) * (weighted_second * second).sum(dim=-1)).sqrt()
    return ((weighted_first * second).sum(dim=-1) / norms).masked_fill(norms == 0, 0.0).clamp(-1.0, 1.0)


def spearman(first: Tensor, second: Tensor) -> Tensor:
    """Return Spearman's rank correlation of each map with its partner, exact for ties.

    It equals `scipy.stats.spearmanr` wherever that is defined. A constant map has no order, so its correlation with any
    map, even a constant one, is 0, the expectation if its ties are broken at random.

    Args:
        first: shape (N,...), any real type; all axes after N form one map.
        second: the same shape.

    Returns:
        Values in [-1, 1], shape (N,), float64; NaN for a map with a NaN.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> import torch
        >>> spearman(torch.tensor([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]]), torch.tensor([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]]))
        tensor([-1.,  0.], dtype=torch.float64)
    """
    check_real(first, "first")
    check_real(second, "second")
    if first.shape != second.shape:
        raise ValueError(f"Expected `second` of shape {tuple(first.shape)}, got {tuple(second.shape)}.")
    return cosine_similarity(centered_ranks(first.flatten(1)), centered_ranks(second.flatten(1)))
