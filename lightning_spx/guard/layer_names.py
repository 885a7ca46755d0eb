"""Finds the names that a user knows a wrapped model by: its class and its layers."""

from collections.abc import Callable
from difflib import get_close_matches
from functools import partial

from torch import Tensor, nn

LAYERS_NAMED = 8
PACKAGE = __name__.partition(".")[0] + "."


def module_of(model: Callable[[Tensor], Tensor]) -> nn.Module | None:
    """Return the module behind a model, a method of it or a `functools.partial` of either; None if there is none.

    Example:
        >>> module_of(nn.ReLU().forward)
        ReLU()
    """
    if isinstance(model, partial):
        return module_of(model.func)
    owner = getattr(model, "__self__", model)
    return owner if isinstance(owner, nn.Module) else None


def users_name(model: Callable[[Tensor], Tensor]) -> str:
    """Return the name of the class or function that the user wrote, without this package's own wrappers.

    Example:
        >>> users_name(nn.ReLU().forward), users_name(len)
        ('ReLU', 'len')
    """
    module = module_of(model)
    if module is None:
        return str(getattr(model, "__name__", type(model).__name__))
    return type(_unwrapped(module)[1]).__name__


def layer_names(network: nn.Module, wanted: str) -> list[str]:
    """Return names for `network.get_submodule`: those most similar to the wanted one, or those of the top level.

    Example:
        >>> network = nn.ModuleDict({"body": nn.ModuleDict({"layer4": nn.ReLU()}), "head": nn.ReLU()})
        >>> layer_names(network, "layer4"), layer_names(network, "conv")
        (['body.layer4'], ['head'])
    """
    prefix, own = _unwrapped(network)
    # look inside a classifier of this package, which also holds losses and accuracies
    inner = getattr(own, "network", None)
    if type(own).__module__.startswith(PACKAGE) and isinstance(inner, nn.Module):
        further, inside = _unwrapped(inner)
        prefix, own = f"{prefix}network.{further}", inside
    # a wrapper may also accept the inner name of a layer
    parts_of_prefix = prefix.split(".")
    for start in reversed(range(len(parts_of_prefix))):
        shorter = ".".join(parts_of_prefix[start:])
        if all(_finds(network, f"{shorter}{name}") for name, _ in own.named_children()):
            prefix = shorter
            break
    parts = [(name, part) for name, part in own.named_modules() if name]
    # a list of layers is never called, so it has no output
    names = [prefix + name for name, part in parts if not isinstance(part, nn.ModuleList | nn.ModuleDict)]
    last = wanted.rpartition(".")[2]
    same_ending = [name for name in names if name.rpartition(".")[2] == last]
    top_level = [name for name in names if "." not in name.removeprefix(prefix)]
    return (same_ending or get_close_matches(wanted, names) or top_level or names)[:LAYERS_NAMED]


def find_layer(network: nn.Module, layer: str) -> nn.Module:
    """Return a layer by the name that it has for the user.

    Raises:
        ValueError: there is no such layer; the message lists near names.

    Example:
        >>> find_layer(nn.Sequential(nn.ReLU()), "1")
        Traceback (most recent call last):
        ...
        ValueError: Expected `layer` to name a module of Sequential, such as 0, got '1'.
    """
    try:
        return network.get_submodule(layer)
    except AttributeError as error:
        names = ", ".join(layer_names(network, layer)) or "none"
        raise ValueError(
            f"Expected `layer` to name a module of {users_name(network)}, such as {names}, got {layer!r}."
        ) from error


def _unwrapped(module: nn.Module) -> tuple[str, nn.Module]:
    prefix = ""
    while type(module).__module__.startswith(PACKAGE):
        children = dict(module.named_children())
        # a wrapper with more parts says which of them is the user's
        name = getattr(module, "wrapped", None) or (next(iter(children)) if len(children) == 1 else None)
        if name not in children:
            break
        prefix, module = f"{prefix}{name}.", children[name]
    return prefix, module


def _finds(network: nn.Module, name: str) -> bool:
    try:
        network.get_submodule(name)
    except AttributeError:
        return False
    return True
