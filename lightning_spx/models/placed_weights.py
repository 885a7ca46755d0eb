"""Puts other weights in the place of a module's own while a context lasts."""

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from lightning_spx.guard import unchanged
from lightning_spx.models.weights import load_weights, own_state, versions_of, with_versions

Store = MutableMapping[str, Any]
EXTRA = "_extra_state"
_ABSENT = object()


class _Slot(NamedTuple):
    """Where a module holds something: a dict of parameters, buffers or other attributes, and the name in that dict."""

    store: Store
    name: str


class PlacedWeights:
    """Replaces a module's state by another one, tensor by tensor, while a context lasts.

    The module itself loads the state once, into stand-ins, so that whatever torch can load ends up where torch puts it.
    In the context, each Parameter and buffer is the same object as outside, but has the other values, so everything
    that refers to it sees them. Objects that loading stores elsewhere (packed weights of quantized layers) are
    replaced as well.

    Args:
        module: the module, which is not changed.
        state: weights and buffers, as `weights_of` returns them.

    Raises:
        ValueError: the state does not fit the module, or the module is not initialized.

    Example:
        >>> layer = nn.Linear(1, 1, bias=False)
        >>> own = layer.weight
        >>> with PlacedWeights(layer, {"weight": torch.tensor([[3.0]])}).placed():
        ...     layer.weight is own, layer(torch.ones(1, 1)).item()
        (True, 3.0)
    """

    def __init__(self, module: nn.Module, state: Mapping[str, Any]) -> None:
        self._values: list[tuple[_Slot, Tensor]] = []
        self._objects: list[tuple[_Slot, Any]] = []
        with torch.inference_mode(False), torch.no_grad(), unchanged(module, torch.device("cpu")):
            self._load(module, state)

    def _load(self, module: nn.Module, state: Mapping[str, Any]) -> None:
        parts = list(module.modules())
        stores: list[Store] = [store for part in parts for store in (part._parameters, part._buffers, vars(part))]
        before = [dict(store) for store in stores]
        stand_ins: dict[int, Tensor] = {}
        tensors: list[Store] = [store for part in parts for store in (part._parameters, part._buffers)]
        for store in tensors:
            store.update({name: _stand_in(own, stand_ins) for name, own in store.items() if own is not None})
        try:
            versions = versions_of(state) or versions_of(module.state_dict())
            load_weights(module, with_versions({**own_extras(module), **state}, versions))
            for store, own_entries in zip(stores, before, strict=True):
                self._note(store, own_entries)
        finally:
            for store, own_entries in zip(stores, before, strict=True):
                store.clear()
                store.update(own_entries)

    def _note(self, store: Store, own_entries: Mapping[str, Any]) -> None:
        for name, loaded in store.items():
            own = own_entries.get(name)
            if loaded is own:
                continue
            if isinstance(own, Tensor) and isinstance(loaded, Tensor) and _alike(own, loaded):
                self._values.append((_Slot(store, name), loaded.detach()))
            else:
                self._objects.append((_Slot(store, name), loaded))

    @contextmanager
    def placed(self) -> Iterator[None]:
        """Put the state in place, and restore the module's own on leaving."""
        own_data: dict[int, tuple[Tensor, Tensor]] = {}
        own_objects = [(slot, slot.store.get(slot.name, _ABSENT)) for slot, _ in self._objects]
        # an outer autocast keeps casts of weights that are replaced now
        torch.clear_autocast_cache()
        try:
            for slot, value in self._values:
                held = slot.store[slot.name]
                if id(held) not in own_data:
                    own_data[id(held)] = held, held.data
                    # clone a buffer, so that what a forward pass writes to it is gone in the next context
                    held.data = value if isinstance(held, nn.Parameter) else value.clone()
            for slot, loaded in self._objects:
                slot.store[slot.name] = loaded
            yield
        finally:
            for slot, own in own_objects:
                if own is _ABSENT:
                    slot.store.pop(slot.name, None)
                else:
                    slot.store[slot.name] = own
            for held, data in own_data.values():
                held.data = data
            torch.clear_autocast_cache()


def weights_of(module: nn.Module, state: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """Return the part of a state that is placed: without metrics, and without what `get_extra_state` gives.

    Args:
        module: the module that the weights belong to, or could belong to.
        state: a file's state, under any names that `own_state` knows; None takes the module's own without a copy.

    Example:
        >>> {name: tuple(value.shape) for name, value in weights_of(nn.Linear(3, 2)).items()}
        {'weight': (2, 3), 'bias': (2,)}
    """
    extras = own_extras(module)
    named = module.state_dict() if state is None else own_state(module, state)
    kept = {name: value for name, value in named.items() if name not in extras and not name.endswith(EXTRA)}
    return with_versions(kept, versions_of(named))


def own_extras(module: nn.Module) -> dict[str, Any]:
    """Return the part of a module's state that is never placed: metrics, which no map depends on, and extra states."""
    metrics = tuple(f"{name}." for name, part in module.named_modules() if name and isinstance(part, Metric))
    return {
        name: value for name, value in module.state_dict().items() if name.startswith(metrics) or name.endswith(EXTRA)
    }


def _stand_in(own: Tensor, known: dict[int, Tensor]) -> Tensor:
    if id(own) not in known:
        copy = own.detach().clone()
        known[id(own)] = nn.Parameter(copy, own.requires_grad) if isinstance(own, nn.Parameter) else copy
    return known[id(own)]


def _alike(own: Tensor, loaded: Tensor) -> bool:
    return own.shape == loaded.shape and own.dtype == loaded.dtype and own.device == loaded.device
