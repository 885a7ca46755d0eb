"""Counts what a method's maps cost: how often it evaluates the network."""

from collections.abc import Callable

from torch import Tensor, nn

from lightning_spx.guard.passes import count_passes


def counted_passes(
    explain: Callable[[nn.Module], Tensor], network: nn.Module, num_maps: int | None = None
) -> tuple[Tensor, tuple[float, float]]:
    """Explain with a network, and count its passes.

    Args:
        explain: returns the maps of a network, (n, C, H, W).
        network: the network.
        num_maps: how many of the maps this process makes; None for all.

    Returns:
        The maps, and the number of forward and of backward passes for each.

    Example:
        >>> import torch
        >>> counted_passes(lambda network: network(torch.ones(2, 3, 4, 4)), nn.Identity())[1]
        (1.0, 0.0)
    """
    with count_passes(network) as passes:
        maps = explain(network)
    number = len(maps) if num_maps is None else num_maps
    # with more processes than images, one makes no maps
    return maps, (passes.forward / max(1, number), passes.backward / max(1, number))
