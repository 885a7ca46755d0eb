"""Saves and restores everything that modules hold beside their parameters."""

from collections import deque
from collections.abc import Iterable, Mapping, MutableMapping
from functools import partial
from types import CellType, FunctionType, MethodType, TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from lightning_spx.guard.behind import LONGEST, enclosed, is_plain_object, named_globals
from lightning_spx.guard.kept_values import (
    LARGEST_COPY,
    LONGEST_COPY,
    Generator,
    KeptDict,
    KeptGenerator,
    KeptItems,
    KeptLayers,
    KeptNames,
    KeptTensor,
)

ATOMS = frozenset((int, float, complex, bool, str, bytes, type(None), torch.dtype, torch.device, torch.Size, type))
# attributes of every module; hooks are handled separately
OF_EVERY_MODULE = frozenset(vars(nn.Module()))
OF_LAYERS: dict[type[nn.Module], frozenset[str]] = {}
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
OF_ALL_MODULES = tuple(f"_global{name}" for name in HOOKS)
PLAIN_TENSORS = (Tensor, nn.Parameter)
# scales of norms and biases: most of a network's parameters, but a hundredth of its memory
SMALL_PARAMETER = 2**16
# modules -> a hook -> a user's object -> its list
DEPTH = 4


class KeptState:
    """A context that sets modules to evaluation mode and, on leaving, restores what they held on entering.

    It restores modes; buffers, both their values and the objects; all other attributes, including the content of lists,
    dicts, arrays and plain objects among them; and what hooks enclose or use by global name. Large parameters are not
    copied; changing one in place is an error.

    Args:
        roots: the modules, with everything that they hold.
        largest_parameter: largest number of elements of a parameter that is copied.

    Attributes:
        modules: the modules whose state is kept.

    Example:
        >>> network = nn.Sequential(nn.ReLU())
        >>> with KeptState([network]):
        ...     network.training, network.calls = network.training, 3
        >>> network.training, hasattr(network, "calls")
        (True, False)
    """

    def __init__(self, roots: Iterable[nn.Module], largest_parameter: int = SMALL_PARAMETER) -> None:
        self.roots = list(roots)
        self.largest_parameter = largest_parameter
        self.modules: list[nn.Module] = []
        self._seen: dict[int, object] = {}  # holds the objects, so that no other object can get the same id
        self._tensors: list[KeptTensor] = []
        self._layers = KeptLayers()
        self._containers: list[KeptDict | KeptNames | KeptItems | KeptGenerator] = []
        self._cells: list[tuple[CellType, object]] = []
        self._without_hooks: list[MutableMapping[int, object]] = []
        self._modes: list[nn.Module] = []

    def __enter__(self) -> Self:
        """Save the state and set evaluation mode."""
        try:
            for root in self.roots:
                self.add(root)
            for name in OF_ALL_MODULES:
                self._hooks(getattr(torch.nn.modules.module, name, {}))
        except BaseException:
            self._put_back()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore the state.

        Raises:
            ValueError: a parameter, or a tensor that is too large to be copied, was changed in place.
        """
        changed = self._put_back()
        if changed and error is None:
            raise ValueError(
                f"Expected the model's forward pass to leave its parameters as they are, got a change of {changed[0]}."
            )

    def add(self, module: nn.Module) -> None:
        """Keep the state of one more module from now on; skip a module that is already kept.

        Raises:
            ValueError: it is not initialized.
        """
        small: list[Tensor] = []
        waiting = [module]
        while waiting:
            part = waiting.pop()
            if id(part) in self._seen:
                continue
            self._seen[id(part)] = part
            self.modules.append(part)
            # a script creates its child modules again at every access
            waiting += reversed([each for each in part._modules.values() if each is not None])
            self._module(part, small)
        self._layers.add(small)

    def _put_back(self) -> list[str]:
        """Restore everything; return the names of what could not be restored."""
        # containers first: objects return to their places, then get their values
        for container in reversed(self._containers):
            container.put_back()
        for cell, content in self._cells:
            cell.cell_contents = content
        for store in self._without_hooks:
            store.clear()
        for part in self._modes:
            part.training = True
        self._layers.put_back()
        return [kept.name for kept in self._tensors if not kept.put_back()]

    def _module(self, part: nn.Module, small: list[Tensor]) -> None:
        # not `eval()`: it may be overridden to do more than set a flag, and frozen scripts lack it
        if getattr(part, "training", False):
            part.training = False
            self._modes.append(part)
        if isinstance(part, torch.jit.ScriptModule):
            for name, value in (*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)):
                self._tensor(value, name, self.largest_parameter if isinstance(value, nn.Parameter) else LARGEST_COPY)
            return
        attributes = vars(part)
        hooks = [store for name in HOOKS if (store := attributes[name])]
        self._without_hooks += [store for name in HOOKS if not (store := attributes[name])]
        # torch's own layers hold only constants and tensors to which only torch writes
        known = _names_of(type(part)) if not hooks else OF_EVERY_MODULE
        stores: list[tuple[MutableMapping[str, Any], int]] = [
            (part._parameters, self.largest_parameter),
            (part._buffers, LARGEST_COPY),
        ]
        for store, most in stores:
            if store:
                self._containers.append(KeptDict(store))
                self._slots(store, part, most, small if known is not OF_EVERY_MODULE else None)
        if part._modules:
            self._containers.append(KeptDict(part._modules))
        self._containers.append(KeptDict(attributes, but="training"))
        self._items(attributes, list(attributes.keys() - known), depth=0)
        for hooked in hooks:
            self._containers.append(KeptDict(hooked))
            self._hooks(hooked)

    def _slots(
        self, store: MutableMapping[str, Tensor | None], part: nn.Module, most: int, small: list[Tensor] | None
    ) -> None:
        seen = self._seen
        for name, value in store.items():
            if value is None or id(value) in seen:
                continue
            if (
                small is not None
                and type(value) in PLAIN_TENSORS
                and value.numel() <= SMALL_PARAMETER
                and not value.is_inference()
                and value.layout is torch.strided
            ):
                seen[id(value)] = value
                small.append(value)
                continue
            if is_lazy(value):
                raise ValueError(
                    f"Expected an initialized model, got a {type(part).__name__} whose `{name}` has no shape yet: "
                    "evaluate it once before it is explained."
                )
            stand_in = self._tensor(value, f"{type(part).__name__}.{name}", most)
            if stand_in is not value:
                store[name] = nn.Parameter(stand_in, False) if isinstance(value, nn.Parameter) else stand_in

    def _tensor(self, value: Tensor, name: str, most: int = LARGEST_COPY) -> Tensor:
        """Keep a tensor; for a tensor of inference mode, which autograd refuses, return a copy to put in its place."""
        if value.is_inference():
            with torch.inference_mode(False):
                return value.clone()
        # a computed tensor, such as a weight from a hook, is replaced and never written to
        if id(value) not in self._seen and value.grad_fn is None:
            self._seen[id(value)] = value
            self._tensors.append(KeptTensor(value, name, most))
        return value

    def _value(self, value: object, depth: int) -> object:
        """Keep any value; return it, or the value that must replace it."""
        if type(value) in ATOMS or id(value) in self._seen or depth > DEPTH:
            return value
        if isinstance(value, nn.Module):
            self.add(value)
            return value
        if isinstance(value, Tensor):
            return self._tensor(value, "a tensor")
        self._seen[id(value)] = value
        if isinstance(value, Generator):
            self._containers.append(KeptGenerator(value))
        elif isinstance(value, np.ndarray):
            if value.size <= LARGEST_COPY and value.flags.writeable and not isinstance(value, np.memmap):
                self._containers.append(KeptItems(value))
        elif isinstance(value, list | deque | set | bytearray | dict) and len(value) > LONGEST_COPY:
            return value
        elif isinstance(value, list | deque | set | bytearray):
            self._containers.append(KeptItems(value))
        if isinstance(value, dict):
            self._containers.append(KeptDict(value))
            if len(value) <= LONGEST:
                self._items(value, list(value), depth)
        elif isinstance(value, list | deque) and len(value) <= LONGEST:
            for position, each in enumerate(list(value)):
                stand_in = self._value(each, depth + 1)
                if stand_in is not each:
                    value[position] = stand_in
        elif isinstance(value, tuple | set | frozenset) and len(value) <= LONGEST:
            for each in value:
                self._value(each, depth + 1)
        elif isinstance(value, partial):
            for each in (value.func, *value.args, *value.keywords.values()):
                self._value(each, depth + 1)
        elif isinstance(value, MethodType):
            self._value(value.__self__, depth + 1)
            self._value(value.__func__, depth + 1)
        elif isinstance(value, FunctionType):
            self._function(value, depth)
        elif is_plain_object(value):
            self._containers.append(KeptDict(vars(value)))
            self._items(vars(value), list(vars(value)), depth)
        return value

    def _items(self, store: MutableMapping[Any, Any], keys: Iterable[Any], depth: int) -> None:
        for key in keys:
            value = store[key]
            stand_in = self._value(value, depth + 1)
            if stand_in is not value:
                store[key] = stand_in

    def _function(self, function: FunctionType, depth: int) -> None:
        for cell in function.__closure__ or ():
            try:
                self._cells.append((cell, cell.cell_contents))
            except ValueError:  # the name has no value yet
                continue
        for value in enclosed(function):
            self._value(value, depth + 1)
        named = named_globals(function)
        self._containers.append(KeptNames(function.__globals__, named))
        for value in named.values():
            self._value(value, depth + 1)

    def _hooks(self, store: Mapping[int, object]) -> None:
        for hook in store.values():
            call = None if isinstance(hook, FunctionType | MethodType | partial) else type(hook).__call__
            self._value(hook, depth=1)
            if isinstance(call, FunctionType):
                self._value(call, depth=1)


def _names_of(kind: type[nn.Module]) -> frozenset[str]:
    """Return the attributes that a torch layer sets itself; for any other class, those of every module."""
    if not kind.__module__.startswith("torch.nn.modules."):
        return OF_EVERY_MODULE
    if kind not in OF_LAYERS:
        annotated = {name for each in kind.__mro__ for name in getattr(each, "__annotations__", {})}
        constants = {name for each in kind.__mro__ for name in getattr(each, "__constants__", ())}
        # a new set, because the identical set of every module marks other classes
        OF_LAYERS[kind] = frozenset({*OF_EVERY_MODULE, *annotated, *constants, ""})
    return OF_LAYERS[kind]
