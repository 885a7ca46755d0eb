"""Makes networks forget what they learnt, from the last layer down, for the sanity check of saliency maps."""

import copy
import re
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torchmetrics import Metric

from lightning_spx.guard import hidden_modules
from lightning_spx.models.forgetting import FEWEST, forget, learnt

# a weight in the code of a frozen TorchScript module
FROZEN_WEIGHT = re.compile(r": \w*(Float|Double|Half|BFloat16|Tensor)\b.* = prim::Constant\[value=")


def cascading_randomisation(model: nn.Module, num_stages: int, seed: int = 0) -> Iterator[tuple[float, nn.Module]]:
    """Yield copies of a model with more and more layers randomized, from the last to the first.

    A layer is a module with its own parameters or running statistics. Layers are ordered by definition, which in most
    networks is the order of the forward pass. `reset_parameters` draws a layer again and resets its running statistics;
    values that it does not change, or that belong to a module without it, are permuted. Weights that are computed from
    others (weight norm, spectral norm, pruning) are checked as they are used. The global random state does not change.

    Source: Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018, section 3.1.

    Args:
        model: a trained model; not changed.
        num_stages: number of copies; in stage s of n, the last s / n of the layers are randomized.
        seed: seeds the new parameters.

    Yields:
        The fraction of randomized layers, and the model; the last fraction is 1. A warning names large buffers that do
        not change, because they may be constants of the architecture or learnt.

    Raises:
        ValueError: if `num_stages` is below 1, the model has no parameters, or a layer cannot be randomized, such as a
            quantized or a frozen one.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        >>> [share for share, _ in cascading_randomisation(model, num_stages=2)]
        [0.5, 1.0]
    """
    if num_stages < 1:
        raise ValueError(f"Expected `num_stages` to be at least 1, got {num_stages}.")
    _check_layers(model)
    names = [name for name, part in _layers(model) if learnt(part)]
    if not names:
        raise ValueError(f"Expected a model with parameters, got {type(model).__name__} without any.")
    for stage in range(1, num_stages + 1):
        count = max(1, round(len(names) * stage / num_stages))
        randomized = _copy(model)
        # by default this forks the generators of all devices
        with torch.random.fork_rng(), torch.no_grad():
            for position, name in enumerate(reversed(names[-count:])):
                # one seed per layer, so that a layer is the same in all stages
                torch.manual_seed(seed * len(names) + position)
                forget(randomized.get_submodule(name), name)
        if stage == num_stages:
            _warn_of_buffers(model, randomized)
            _warn_of_hidden(model)
        yield count / len(names), randomized


def _warn_of_hidden(model: nn.Module) -> None:
    hidden = hidden_modules(model)
    if hidden:
        warnings.warn(
            f"{type(model).__name__} holds layers outside of its modules, in a list or an object, such as a "
            f"{type(hidden[0]).__name__}: they stay trained, and the share of randomized layers does not count them.",
            stacklevel=3,
        )


def _layers(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield modules with names; the modules of a parametrization belong to the layer whose weight they compute."""
    inner: set[nn.Module] = set()
    for name, part in model.named_modules():
        if parametrize.is_parametrized(part):
            inner.update(part.parametrizations.modules())
        if part not in inner:
            yield name, part


def _check_layers(model: nn.Module) -> None:
    """Refuse layers whose weights are neither parameters nor buffers: quantized ones, and frozen TorchScript."""
    saved = {name for name in model.state_dict() if not name.endswith("_extra_state")}
    known = {
        name for names in (model.named_parameters, model.named_buffers) for name, _ in names(remove_duplicate=False)
    }
    parts = dict(model.named_modules(remove_duplicate=False))
    for key in sorted(saved - known):
        owner = key.rpartition(".")[0]
        while owner not in parts:
            owner = owner.rpartition(".")[0]
        if not isinstance(parts[owner], Metric):
            raise ValueError(f"Expected layers whose weights are parameters, got {key!r}, which cannot be randomized.")
    for name, part in parts.items():
        frozen = isinstance(part, torch.jit.ScriptModule) and next(part.parameters(), None) is None
        if frozen and FROZEN_WEIGHT.search(str(part.graph)):
            raise ValueError(f"Expected layers whose weights are parameters, got {name or 'a model'!r}, a frozen one.")


def _copy(model: nn.Module) -> nn.Module:
    """Copy a model, even if a weight was computed in the last forward pass and still belongs to its graph."""
    computed = [
        value
        for part in model.modules()
        for value in vars(part).values()
        if isinstance(value, Tensor) and not value.is_leaf
    ]
    return copy.deepcopy(model, {id(value): value.detach().clone() for value in computed})


def _warn_of_buffers(model: nn.Module, randomized: nn.Module) -> None:
    """Warn of large saved buffers that did not change, because learnt ones, such as a codebook, would survive."""
    saved, after = model.state_dict(), dict(randomized.named_buffers())
    known = {id(value) for _, part in _layers(model) for value in learnt(part).values()}
    same = [
        name
        for name, buffer in model.named_buffers()
        if name in saved
        and id(buffer) not in known
        and buffer.is_floating_point()
        and buffer.numel() >= FEWEST
        and torch.equal(buffer, after[name])
    ]
    if same:
        more = f" and {len(same) - 1} more" if len(same) > 1 else ""
        warnings.warn(
            f"The buffer {same[0]!r}{more} stays as it is in the randomized model: if it was learnt, maps may still "
            "show that.",
            stacklevel=3,
        )
