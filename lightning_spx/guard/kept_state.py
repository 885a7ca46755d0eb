"""Everything that modules hold beside their parameters, remembered and put back."""

from collections import deque
from collections.abc import Iterable, Mapping, MutableMapping
from functools import partial
from itertools import islice
from types import CellType, FunctionType, MethodType, TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from lightning_spx.guard.behind import LONGEST, enclosed, is_plain_object, named_globals
from lightning_spx.guard.kept_values import LARGEST_COPY, KeptContainer, KeptTensor

ATOMS = frozenset((int, float, complex, bool, str, bytes, type(None), torch.dtype, torch.device, torch.Size, type))
# what every module has; hooks are looked at by themselves
OF_EVERY_MODULE = frozenset(vars(nn.Module()))
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
OF_ALL_MODULES = tuple(f"_global{name}" for name in HOOKS)
# norms' scales and biases: of a network's parameters the many, and a hundredth of its memory
SMALL_PARAMETER = 2**16
# modules -> a hook -> an object of the user's -> its list
DEPTH = 4


class KeptState:
    """A context that puts back what modules held when it was entered, and in which they are in evaluation mode.

    Put back are modes; buffers, values and objects; all other attributes, and what is in the lists, dicts, arrays and
    plain objects among them; what hooks enclose or use by global names. Large parameters are not copied: a change of one
    in place is refused.

    Args:
        roots: modules, with all that they hold.

    Attributes:
        modules: those that are kept.

    Example:
        >>> network = nn.Sequential(nn.ReLU())
        >>> with KeptState([network]):
        ...     network.training, network.calls = network.training, 3
        >>> network.training, hasattr(network, "calls")
        (True, False)
    """

    def __init__(self, roots: Iterable[nn.Module]) -> None:
        self.roots = list(roots)
        self.modules: list[nn.Module] = []
        self._seen: dict[int, object] = {}  # the objects stay alive, or another one might take a number
        self._tensors: list[KeptTensor] = []
        self._containers: list[KeptContainer] = []
        self._cells: list[tuple[CellType, object]] = []
        self._modes: list[nn.Module] = []

    def __enter__(self) -> Self:
        """Remember."""
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
        """Put back.

        Raises:
            ValueError: a parameter, or a tensor too large to be copied, was changed in place.
        """
        changed = self._put_back()
        if changed and error is None:
            raise ValueError(
                f"Expected the model's forward pass to leave its parameters as they are, got a change of {changed[0]}."
            )

    def add(self, module: nn.Module) -> None:
        """Keep one more module and all that it holds, from now on; one that is kept already is passed over.

        Raises:
            ValueError: it is not initialised.
        """
        for part in module.modules():
            if id(part) not in self._seen:
                self._seen[id(part)] = part
                self.modules.append(part)
                self._module(part)

    def _put_back(self) -> list[str]:
        """Return the names of what could not be put back."""
        # slots first: what is in place again is then given its values
        for container in reversed(self._containers):
            container.put_back()
        for cell, content in self._cells:
            cell.cell_contents = content
        for part in self._modes:
            part.training = True
        return [kept.name for kept in self._tensors if not kept.put_back()]

    def _module(self, part: nn.Module) -> None:
        # not `eval()`: it may be overridden and do more than set a flag; frozen scripts have none
        if getattr(part, "training", False):
            part.training = False
            self._modes.append(part)
        if isinstance(part, torch.jit.ScriptModule):
            for name, value in (*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)):
                self._tensor(value, name, SMALL_PARAMETER if isinstance(value, nn.Parameter) else LARGEST_COPY)
            return
        hooks = [store for name in HOOKS if (store := vars(part)[name])]
        self._slots(part._parameters, part, SMALL_PARAMETER)
        self._slots(part._buffers, part, LARGEST_COPY)
        if part._modules:
            self._containers.append(KeptContainer(part._modules))
        attributes = vars(part)
        self._containers.append(KeptContainer(attributes, but="training"))
        for name, value in list(attributes.items()):
            if type(value) not in ATOMS and name not in OF_EVERY_MODULE:
                self._held(attributes, name, value, depth=1)
        for store in hooks:
            self._hooks(store)

    def _slots(self, store: MutableMapping[str, Tensor | None], part: nn.Module, most: int) -> None:
        if store:
            self._containers.append(KeptContainer(store))
        for name, value in store.items():
            if value is None:
                continue
            if is_lazy(value):
                raise ValueError(
                    f"Expected an initialised model, got a {type(part).__name__} whose `{name}` has no shape yet: "
                    "evaluate it once before it is explained."
                )
            stand_in = self._tensor(value, f"{type(part).__name__}.{name}", most)
            if stand_in is not value:
                store[name] = nn.Parameter(stand_in, False) if isinstance(value, nn.Parameter) else stand_in

    def _tensor(self, value: Tensor, name: str, most: int = LARGEST_COPY) -> Tensor:
        """Keep a tensor; autograd refuses those of inference mode, for which the caller puts the copy in place."""
        if value.is_inference():
            with torch.inference_mode(False):
                return value.clone()
        # a result of other tensors, such as a weight that a hook computes, is replaced and not written to
        if id(value) not in self._seen and value.grad_fn is None:
            self._seen[id(value)] = value
            self._tensors.append(KeptTensor(value, name, most))
        return value

    def _held(self, holder: Any, key: object, value: object, depth: int) -> None:
        """Keep a value that stands at `key` of a dict or list."""
        if isinstance(value, Tensor):
            stand_in = self._tensor(value, str(key))
            if stand_in is not value:
                holder[key] = stand_in
        else:
            self._value(value, depth)

    def _value(self, value: object, depth: int) -> None:
        if type(value) in ATOMS or id(value) in self._seen or depth > DEPTH:
            return
        if isinstance(value, nn.Module):
            self.add(value)
            return
        if isinstance(value, Tensor):
            self._tensor(value, "a tensor")
            return
        self._seen[id(value)] = value
        if isinstance(value, dict | list | deque | set | bytearray | np.ndarray):
            self._containers.append(KeptContainer(value))
        if isinstance(value, dict):
            for key, each in list(islice(value.items(), LONGEST)):
                self._held(value, key, each, depth + 1)
        elif isinstance(value, list | deque):
            for position, each in enumerate(list(islice(value, LONGEST))):
                self._held(value, position, each, depth + 1)
        elif isinstance(value, tuple):
            for each in islice(value, LONGEST):
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
            self._containers.append(KeptContainer(vars(value)))
            for name, each in list(vars(value).items()):
                self._held(vars(value), name, each, depth + 1)

    def _function(self, function: FunctionType, depth: int) -> None:
        for cell in function.__closure__ or ():
            try:
                self._cells.append((cell, cell.cell_contents))
            except ValueError:  # a name that has no value yet
                continue
        for value in enclosed(function):
            self._value(value, depth + 1)
        named = named_globals(function)
        self._containers.append(KeptContainer(function.__globals__, only=tuple(named)))
        for value in named.values():
            self._value(value, depth + 1)

    def _hooks(self, store: Mapping[int, object]) -> None:
        for hook in store.values():
            call = None if isinstance(hook, FunctionType | MethodType | partial) else type(hook).__call__
            self._value(hook, depth=1)
            if isinstance(call, FunctionType):
                self._value(call, depth=1)
