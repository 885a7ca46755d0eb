"""Other weights in the place of a module's own, for as long as a context lasts."""

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
    """Where a module holds something: a dict of its parameters, buffers or other attributes, and the name in there."""

    store: Store
    name: str


class PlacedWeights:
    """A state that takes the place of a module's own, tensor by tensor.

    The module itself loads the state once, into stand-ins, so that all that torch can load is placed as it would be.
    In the context each Parameter and buffer is the very object that it is outside, with other values: who refers to it
    from anywhere sees these. What loading puts elsewhere (packed weights of quantized layers) is placed as well.

    Args:
        module: not changed.
        state: weights and buffers, of `weights_of`.

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
        """Put the state in place, and the module's own back on leaving."""
        own_data: dict[int, tuple[Tensor, Tensor]] = {}
        own_objects = [(slot, slot.store.get(slot.name, _ABSENT)) for slot, _ in self._objects]
        # a cast of the weights that an outer autocast keeps is one of the other weights
        torch.clear_autocast_cache()
        try:
            for slot, value in self._values:
                held = slot.store[slot.name]
                if id(held) not in own_data:
                    own_data[id(held)] = held, held.data
                    # what a forward pass writes to a buffer does not come back in the next one
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
    """Return what of a state is placed: no metrics, and nothing that `get_extra_state` gives.

    Args:
        module: whose weights they are, or could be.
        state: of a file, under any names that `own_state` knows; None for the module's own, which is not copied.

    Example:
        >>> {name: tuple(value.shape) for name, value in weights_of(nn.Linear(3, 2)).items()}
        {'weight': (2, 3), 'bias': (2,)}
    """
    extras = own_extras(module)
    named = module.state_dict() if state is None else own_state(module, state)
    kept = {name: value for name, value in named.items() if name not in extras and not name.endswith(EXTRA)}
    return with_versions(kept, versions_of(named))


def own_extras(module: nn.Module) -> dict[str, Any]:
    """Return what of a module's state no explanation depends on, or is no tensor: metrics, and extra states."""
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
