"""Weights into a module: everything that torch itself loads, under the module's own names for it."""

from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

# parts of a name that wrappers add: torch.compile, DataParallel and its kin, sharding, activation checkpointing
WRAPPERS = frozenset(("_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"))
# counts batches for an average that evaluation does not use; old files and averages of weights are without it
NEGLIGIBLE = "num_batches_tracked"


def load_weights(module: nn.Module, state: Mapping[str, Any]) -> None:
    """Load a state as `module.load_state_dict` does, under names with or without wrappers' prefixes.

    Nothing is left out: what the module has and the state has not is refused by name, and so is the other way round,
    unless a LightningModule says by its `strict_loading` that files hold a part of it.

    Args:
        module: receives the values; what was loaded before an error stays there.
        state: tensors by their names.

    Raises:
        ValueError: the state does not fit; says in a few words why.

    Example:
        >>> layer = nn.Linear(1, 1)
        >>> load_weights(layer, {"_orig_mod.weight": torch.ones(1, 1), "_orig_mod.bias": torch.zeros(1)})
        >>> layer.weight.item()
        1.0
    """
    named = own_state(module, state)
    untied = _untied(module, named)
    if untied:
        raise ValueError(untied)
    cast = cast_values(module, named)
    if cast:
        raise ValueError(cast)
    try:
        found = module.load_state_dict(named, strict=False)
    except (RuntimeError, AttributeError, TypeError, LookupError, ValueError) as error:
        raise ValueError(state_mismatch(module, named) or " ".join(str(error).split())[:300]) from error
    # a module may have a `load_state_dict` of its own, which returns nothing
    missing = list(getattr(found, "missing_keys", []))
    unexpected = list(getattr(found, "unexpected_keys", []))
    # a module may say that its files hold a part of it; one without any part is another's
    learnt = {name for name, own in module.state_dict(keep_vars=True).items() if isinstance(own, nn.Parameter)}
    partial = not getattr(module, "strict_loading", True) and bool(learnt & set(named) - set(unexpected))
    if (missing or unexpected) and not partial:
        raise ValueError(_in_words(missing, unexpected, []))


def own_state(module: nn.Module, state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a state under the names that `module` has for its entries, where wrappers alone make them differ.

    A name that the module does not know is looked up without `_orig_mod`, `module` and other wrappers' parts, on either
    side. The version numbers that torch keeps beside a state go along. Counters of batches that are not there are the
    module's own.

    Example:
        >>> list(own_state(nn.Linear(1, 1), {"module.weight": 0, "module.scale": 1}))
        ['weight', 'module.scale']
    """
    own = module.state_dict()
    renamed = {name: name for name in state}
    if not all(name in own for name in state):
        names = _by_plain_name(list(own))
        found = {name: name if name in own else names.get(_plain(name), name) for name in state}
        renamed = found if len(set(found.values())) == len(found) else renamed
    named: OrderedDict[str, Any] = OrderedDict((renamed[name], value) for name, value in state.items())
    for name, value in own.items():
        if name.endswith(NEGLIGIBLE) and f"{name.removesuffix(NEGLIGIBLE)}running_mean" in named:
            named.setdefault(name, value)
    parts = _by_plain_name([name for name, _ in module.named_modules(remove_duplicate=False)])
    versions = {parts.get(_plain(name), name): version for name, version in versions_of(state).items()}
    return with_versions(named, versions)


def versions_of(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the version numbers that torch keeps beside a state, by the names of modules; empty if there are none."""
    return getattr(state, "_metadata", None) or {}


def with_versions(values: Mapping[str, Any], versions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return values as a state with version numbers, by which modules know older forms of what they hold."""
    state = OrderedDict(values)
    if versions:
        vars(state)["_metadata"] = OrderedDict(versions)
    return state


def _by_plain_name(names: list[str]) -> dict[str, str]:
    """Return names by what they are without wrappers' parts, where that is one name alone."""
    counts = Counter(map(_plain, names))
    return {_plain(name): name for name in names if counts[_plain(name)] == 1}


def _plain(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _untied(module: nn.Module, state: Mapping[str, Any]) -> str:
    """Say which values of a state differ though they go to one tensor of the module; empty if none do."""
    first: dict[int, str] = {}
    for name, own in module.state_dict(keep_vars=True).items():
        if not isinstance(own, Tensor) or not isinstance(state.get(name), Tensor):
            continue
        other = first.setdefault(id(own), name)
        same = state[other].shape == state[name].shape and torch.equal(state[other].cpu(), state[name].cpu())
        if not same and not bool(torch.isnan(state[name]).any()):
            return f"two values, {other} and {name}, for what is one tensor"
    return ""


def cast_values(module: nn.Module, state: Mapping[str, object]) -> str:
    """Say which values of a state are of another kind of number than what they are for; empty if none are.

    Another precision is none, and whole numbers may count in any type.

    Example:
        >>> cast_values(nn.Linear(1, 1), {"weight": torch.ones(1, 1, dtype=torch.int8), "bias": torch.ones(1).half()})
        'weight of int8 for float32'
    """
    parameters = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    found = []
    for name, own in module.state_dict().items():
        value = state.get(name)
        if not isinstance(own, Tensor) or not isinstance(value, Tensor):
            continue
        if own.is_complex():
            is_cast = False
        elif own.is_floating_point():
            # whole numbers are exact in a buffer; as weights they are those of a quantised network without its scale
            is_cast = value.is_complex() or (name in parameters and not value.is_floating_point())
        else:
            is_cast = value.is_complex() or (value.is_floating_point() and not bool((value == value.round()).all()))
        if is_cast:
            found.append(f"{name} of {_dtype(value)} for {_dtype(own)}")
    return _first_names(found) if found else ""


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def state_mismatch(module: nn.Module, state: Mapping[str, object]) -> str:
    """Return in words how `state` differs in names and shapes from what `module` holds, empty if it does not.

    Example:
        >>> state_mismatch(nn.Linear(2, 1), {"weight": torch.zeros(1, 3), "scale": torch.zeros(1)})
        'missing bias; unexpected scale; weight of shape (1, 3) for (1, 2)'
    """
    own = module.state_dict()
    missing = [name for name in own if name not in state]
    unexpected = [name for name in state if name not in own]
    # what `get_extra_state` gives need not be a tensor, and a lazy layer takes any shape
    tensors = {
        name: value.shape
        for name, value in own.items()
        if name in state and isinstance(value, Tensor) and not is_lazy(value)
    }
    shapes = [
        f"{name} of {_kind(state[name])} for {tuple(shape)}"
        for name, shape in tensors.items()
        if _kind(state[name]) != f"shape {tuple(shape)}"
    ]
    return _in_words(missing, unexpected, shapes)


def _in_words(missing: list[str], unexpected: list[str], shapes: list[str]) -> str:
    parts = [("missing ", missing), ("unexpected ", unexpected), ("", shapes)]
    return "; ".join(f"{word}{_first_names(names)}" for word, names in parts if names)


def _kind(value: object) -> str:
    return f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"type {type(value).__name__}"


def _first_names(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
