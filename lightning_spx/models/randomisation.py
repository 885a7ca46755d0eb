"""Networks that forget what they have learnt, from the last layer down: the sanity check of saliency maps."""

import copy
from collections.abc import Iterator

import torch
from torch import nn


def cascading_randomisation(model: nn.Module, num_stages: int, seed: int = 0) -> Iterator[tuple[float, nn.Module]]:
    """Yield copies of a model with ever more layers randomised, from the last to the first.

    A layer is a module with parameters of its own; the order is that of definition, which is that of the forward pass
    in most networks. A layer is drawn anew by its `reset_parameters`, which resets running statistics too; parameters
    of a module without it have their values permuted. The global random state stays as it was.

    Source: Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018, section 3.1.

    Args:
        model: a trained model; not changed.
        num_stages: copies; stage s of n has the last s / n of the layers randomised.
        seed: of the new parameters.

    Yields:
        The share of layers that are randomised, and the model; the last one has share 1.

    Raises:
        ValueError: if `num_stages` is below 1 or the model has no parameters.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        >>> [share for share, _ in cascading_randomisation(model, num_stages=2)]
        [0.5, 1.0]
    """
    if num_stages < 1:
        raise ValueError(f"Expected `num_stages` to be at least 1, got {num_stages}.")
    names = [name for name, part in model.named_modules() if next(part.parameters(recurse=False), None) is not None]
    if not names:
        raise ValueError(f"Expected a model with parameters, got {type(model).__name__} without any.")
    for stage in range(1, num_stages + 1):
        count = max(1, round(len(names) * stage / num_stages))
        randomised = copy.deepcopy(model)
        # the generators of other devices are forked by default
        with torch.random.fork_rng(), torch.no_grad():
            for position, name in enumerate(reversed(names[-count:])):
                # by layer: a layer is the same in all stages
                torch.manual_seed(seed * len(names) + position)
                _randomise(randomised.get_submodule(name))
        yield count / len(names), randomised


def _randomise(layer: nn.Module) -> None:
    reset = getattr(layer, "reset_parameters", None)
    if callable(reset):
        reset()
        return
    for parameter in layer.parameters(recurse=False):
        order = torch.randperm(parameter.numel(), device="cpu").to(parameter.device)
        parameter.copy_(parameter.flatten()[order].view_as(parameter))
