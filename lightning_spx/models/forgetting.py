"""Makes one layer forget what it learnt, and checks that it did."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

# with fewer values a correlation means nothing; for 64 values it exceeds the limit by chance in 1 of 16,000 draws
FEWEST, LIMIT = 64, 0.5
TRIES = 10
# iterations of the power method from the old weights' vectors, until the spectral norm fits the new weights
POWER_ITERATIONS = 30
# buffers with these names hold what a normalization learnt, even a frozen one without parameters
NAMES_OF_LEARNT_BUFFERS = ("weight", "bias", "running_")


def learnt(layer: nn.Module) -> dict[str, Tensor]:
    """Return what a layer learnt, by name: its own parameters, also parametrized ones, and some of its buffers.

    These buffers are running statistics, and the weights that a frozen layer keeps as buffers.

    Example:
        >>> list(learnt(nn.BatchNorm2d(2))), list(learnt(nn.Sequential(nn.Linear(1, 1))))
        (['weight', 'bias', 'running_mean', 'running_var'], [])
    """
    found = dict(layer.named_parameters(recurse=False))
    found |= {f"parametrizations.{name}": each for name, each in _parametrized(layer).named_parameters()}
    # if there is a parameter of that name, they belong to a helper, such as the vectors of a spectral norm
    buffers = {
        name: buffer
        for name, buffer in layer.named_buffers(recurse=False)
        if name.startswith(NAMES_OF_LEARNT_BUFFERS) and f"{name.rpartition('_')[0]}_orig" not in found
    }
    return found | {name: each for name, each in buffers.items() if each.is_floating_point()}


def forget(layer: nn.Module, name: str) -> None:
    """Draw a layer's own weights again with its `reset_parameters`; permute weights that this does not change.

    Each value of a constant weight is scaled by 0.5 to 1.5, or drawn with standard deviation 0.02 if it is zero, unless
    `reset_parameters` has set it. Draws use torch's random state.

    Args:
        layer: the layer, changed in place; the layers inside it do not change.
        name: name of the layer, for errors.

    Raises:
        ValueError: a weight is lazy, or still correlates with its old values after all that; the message names the
            layer.

    Example:
        >>> layer = torch.nn.utils.parametrizations.weight_norm(nn.Linear(16, 16))
        >>> before = layer.weight.detach().clone()
        >>> with torch.no_grad():
        ...     forget(layer, "head")
        >>> remembers(before, layer.weight)
        False
    """
    for key, value in learnt(layer).items():
        if is_lazy(value):
            raise ValueError(f"Expected a trained model, got one whose layer {name!r} has no `{key}` yet.")
    before = {key: value.detach().clone() for key, value in learnt(layer).items()}
    used = {key: getattr(layer, key).detach().clone() for key in _computed(layer)}
    reset = getattr(layer, "reset_parameters", None)
    resets = False
    if callable(reset) and not _needs_arguments(reset):
        resets = True
        reset()
    _assign(layer)
    for key, value in learnt(layer).items():
        if key in before and remembers(before[key], value):
            if not _is_constant(value):
                _permute(value, before[key])
            elif not resets:
                _scale(value)
    for mask in _masks(layer):
        if not _is_constant(mask):
            _permute(mask, mask.clone())
    _compute(layer)
    now = learnt(layer)
    old = before | used
    for key, value in (now | {key: getattr(layer, key) for key in used}).items():
        if key in old and not _is_constant(old[key]) and remembers(old[key], value):
            raise ValueError(
                f"Expected layer {name!r} to be one that can be randomized, got the trained `{key}` again."
            )


def remembers(old: Tensor, new: Tensor) -> bool:
    """Return whether a weight is unchanged or, with 64 or more values, correlates above one half with the old one.

    Example:
        >>> weight = torch.arange(64.0)
        >>> remembers(weight, 2 * weight + 1), remembers(weight, weight.view(8, 8).T.flatten() % 7)
        (True, False)
    """
    if old.shape != new.shape:
        return False
    if torch.equal(old, new):
        return True
    if old.numel() < FEWEST:
        return False
    first, second = (_centered(each) for each in (old, new))
    return bool(nn.functional.cosine_similarity(first, second, dim=0).abs() > LIMIT)


def _centered(weight: Tensor) -> Tensor:
    flat = (torch.view_as_real(weight) if weight.is_complex() else weight).detach().float().flatten()
    return flat - flat.mean()


def _is_constant(weight: Tensor) -> bool:
    return not weight.numel() or bool((weight == weight.flatten()[0]).all())


def _needs_arguments(function: Callable[..., object]) -> bool:
    parameters = inspect.signature(function).parameters.values()
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return any(each.default is inspect.Parameter.empty and each.kind not in optional for each in parameters)


def _permute(weight: Tensor, before: Tensor) -> None:
    for _ in range(TRIES):
        order = torch.randperm(weight.numel(), device="cpu").to(weight.device)
        weight.copy_(weight.flatten()[order].view_as(weight))
        if not remembers(before, weight):
            return


def _scale(weight: Tensor) -> None:
    if not (weight.is_floating_point() or weight.is_complex()):
        return
    zero = not bool(weight.flatten()[:1].abs().sum() > 0)
    drawn = 0.02 * torch.randn(weight.shape, device="cpu") if zero else 0.5 + torch.rand(weight.shape, device="cpu")
    weight.copy_(drawn.to(weight) if zero else weight * drawn.to(weight))


def _hooks(layer: nn.Module) -> list[WeightNorm | SpectralNorm | BasePruningMethod]:
    """Return the hooks that compute a weight of the layer before each forward pass."""
    hooks = layer._forward_pre_hooks.values()
    return [hook for hook in hooks if isinstance(hook, WeightNorm | SpectralNorm | BasePruningMethod)]


def _parametrized(layer: nn.Module) -> nn.ModuleDict:
    """Return the parametrizations of a layer, by the name of the weight that they compute."""
    found = layer.parametrizations if parametrize.is_parametrized(layer) else None
    return found if isinstance(found, nn.ModuleDict) else nn.ModuleDict()


def _masks(layer: nn.Module) -> list[Tensor]:
    """Return the masks of pruned weights, which depend on what was learnt."""
    own = dict(layer.named_parameters(recurse=False))
    return [
        buffer
        for name, buffer in layer.named_buffers(recurse=False)
        if name.endswith("_mask") and f"{name.removesuffix('_mask')}_orig" in own
    ]


def _computed(layer: nn.Module) -> list[str]:
    """Name the weights of a forward pass that are computed from parameters."""
    names = list(_parametrized(layer))
    for hook in _hooks(layer):
        name = hook._tensor_name if isinstance(hook, BasePruningMethod) else hook.name
        names.append(str(name))
    return list(dict.fromkeys(names))


def _assign(layer: nn.Module) -> None:
    """Assign other values to parametrized weights through their right inverse, if they have one."""
    for name, steps in _parametrized(layer).items():
        value = getattr(layer, name).detach().clone()
        if _is_constant(value) or not all(hasattr(step, "right_inverse") for step in steps.children()):
            continue
        _permute(value, value.clone())
        # a weight that cannot be assigned is computed from others, which are permuted instead
        with suppress(NotImplementedError, ValueError):
            setattr(layer, name, value)


def _compute(layer: nn.Module) -> None:
    """Compute the weights as a forward pass would, with converged spectral norms."""
    names, last = _computed(layer), list[Tensor]()
    with _training(layer):
        for _ in range(POWER_ITERATIONS):
            for hook in _hooks(layer):
                hook(layer, ())
            now = [getattr(layer, name).detach().clone() for name in names]
            if last and all(torch.equal(*pair) for pair in zip(last, now, strict=True)):
                return
            last = now


@contextmanager
def _training(layer: nn.Module) -> Iterator[None]:
    """Set the training flag of only a layer and its parametrizations, whose vectors change only in training."""
    parts = {part: part.training for part in (layer, *_parametrized(layer).modules())}
    try:
        for part in parts:
            part.training = True
        yield
    finally:
        for part, flag in parts.items():
            part.training = flag
