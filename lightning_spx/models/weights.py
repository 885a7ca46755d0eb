"""Loads weights into a module: everything that torch itself loads, under the module's own names."""

from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

# name parts that wrappers add: torch.compile, DataParallel and similar, sharding, activation checkpointing
WRAPPERS = frozenset(("_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"))
# counts batches for an average that evaluation does not use; old files and averaged weights lack it
NEGLIGIBLE = "num_batches_tracked"


def load_weights(module: nn.Module, state: Mapping[str, Any]) -> None:
    """Load a state as `module.load_state_dict` does, under names with or without wrappers' prefixes.

    Missing and unexpected entries are refused by name, unless a LightningModule says through `strict_loading` that
    files contain only a part of it.

    Args:
        module: receives the values; on an error, values loaded before it stay.
        state: tensors by their names.

    Raises:
        ValueError: the state does not fit; the message says briefly why.

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
    # a module may override `load_state_dict` and return nothing
    missing = list(getattr(found, "missing_keys", []))
    unexpected = list(getattr(found, "unexpected_keys", []))
    # a module may say that its files hold only a part of it; a file without any part belongs to another module
    learnt = {name for name, own in module.state_dict(keep_vars=True).items() if isinstance(own, nn.Parameter)}
    partial = not getattr(module, "strict_loading", True) and bool(learnt & set(named) - set(unexpected))
    if (missing or unexpected) and not partial:
        raise ValueError(_in_words(missing, unexpected, []))


def own_state(module: nn.Module, state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a state under the names of `module`, if the names differ only by wrappers.

    A name that the module does not know is looked up without `_orig_mod`, `module` and other wrappers' parts on both
    sides. The result keeps the version numbers that torch stores beside a state. Missing counters of batches are taken
    from the module.

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


def under_own_names(module: nn.Module, state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a state under the names of `module`, if a module around it, or inside it, was saved.

    A LightningModule saves its network as `model.conv.weight`; the network alone knows `conv.weight`. Everything beside
    the network, such as losses and metrics, is left out.

    Raises:
        ValueError: several parts of the state fit, such as a student and its teacher, and differ.

    Example:
        >>> list(under_own_names(nn.Linear(1, 1), {"model.weight": 0, "model.bias": 1, "loss.weight": 2}))
        ['weight', 'bias']
        >>> list(under_own_names(nn.Sequential(nn.Linear(1, 1)), {"weight": 0, "bias": 1}))
        ['0.weight', '0.bias']
    """
    own = [name for name in module.state_dict() if not name.endswith(NEGLIGIBLE)]
    names = {_plain(name): name for name in state}
    if not own or not names or {_plain(name) for name in own} & names.keys():
        return state
    first, given = _plain(own[0]), next(iter(names))
    around = [name.removesuffix(first) for name in names if name.endswith(f".{first}")]
    fitting = [prefix for prefix in around if all(prefix + _plain(name) in names for name in own)]
    if len(fitting) > 1 and not all(_equal(state, names, fitting[0], prefix, own) for prefix in fitting[1:]):
        listed = " and ".join(prefix.rstrip(".") for prefix in fitting)
        raise ValueError(
            f"several parts that fit, {listed}: save the one to use with torch.save(part.state_dict(), path)"
        )
    if fitting:
        length = len(fitting[0])
        inside = {name[length:]: full for name, full in names.items() if name.startswith(fitting[0])}
        versions = {_plain(name)[length:]: version for name, version in versions_of(state).items()}
        return with_versions({name: state[full] for name, full in inside.items()}, versions)
    # the state of a part, for a module that holds nothing else to load
    parts = [name.removesuffix(given) for name in own if name.endswith(f".{given}")]
    for prefix in parts:
        if {f"{prefix}{name}" for name in names} >= set(own):
            return with_versions({f"{prefix}{name}": state[full] for name, full in names.items()}, {})
    return state


def _equal(state: Mapping[str, Any], names: Mapping[str, str], one: str, other: str, own: list[str]) -> bool:
    pairs = [(state[names[one + _plain(name)]], state[names[other + _plain(name)]]) for name in own]
    return all(isinstance(a, Tensor) and isinstance(b, Tensor) and torch.equal(a, b) for a, b in pairs)


def versions_of(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the version numbers that torch stores beside a state, by module name; empty if there are none."""
    return getattr(state, "_metadata", None) or {}


def with_versions(values: Mapping[str, Any], versions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return values as a state with version numbers, from which modules recognize older formats."""
    state = OrderedDict(values)
    if versions:
        vars(state)["_metadata"] = OrderedDict(versions)
    return state


def _by_plain_name(names: list[str]) -> dict[str, str]:
    """Map each name without wrappers' parts to its full name, if that is unique."""
    counts = Counter(map(_plain, names))
    return {_plain(name): name for name in names if counts[_plain(name)] == 1}


def _plain(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _untied(module: nn.Module, state: Mapping[str, Any]) -> str:
    """Say which values of a state differ although the module shares one tensor for them; empty if none do."""
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
    """Say which values of a state have another kind of number than the module; empty if none have.

    Another precision is no other kind, and whole numbers may have any integer type.

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
            # whole numbers are exact in a buffer; as weights they come from a quantized network and lack its scale
            is_cast = value.is_complex() or (name in parameters and not value.is_floating_point())
        else:
            is_cast = value.is_complex() or (value.is_floating_point() and not bool((value == value.round()).all()))
        if is_cast:
            found.append(f"{name} of {_dtype(value)} for {_dtype(own)}")
    return _first_names(found) if found else ""


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def state_mismatch(module: nn.Module, state: Mapping[str, object]) -> str:
    """Say how `state` differs from `module` in names and shapes; empty if it does not.

    Example:
        >>> state_mismatch(nn.Linear(2, 1), {"weight": torch.zeros(1, 3), "scale": torch.zeros(1)})
        'missing bias; unexpected scale; weight of shape (1, 3) for (1, 2)'
    """
    own = module.state_dict()
    missing = [name for name in own if name not in state]
    unexpected = [name for name in state if name not in own]
    # values of `get_extra_state` may not be tensors, and a lazy layer accepts any shape
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
