"""Evaluates a network without gradients and notes what its layers return."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lightning_spx.attribution.alone import REFUSALS
from lightning_spx.attribution.feature_maps import corners_changed
from lightning_spx.attribution.logits import answer

# takes a layer's name, the layer, the first tensor that it was given, and its output; may return another output
After = Callable[[str, nn.Module, Tensor | None, object], object]
Before = Callable[[Tensor | None], None]

POOLING = (nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, nn.FractionalMaxPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


class MapOutput(NamedTuple):
    """An output of four axes, the names of the modules that return this very tensor, and which call gave it."""

    names: list[str]
    output: Tensor
    call: int


class TokenLayer(NamedTuple):
    """A layer that returns tokens: their number, and 0 for `(N, T, A)` or 1 for `(T, N, A)`."""

    name: str
    tokens: int
    batch_axis: int


@dataclass
class Notes:
    """What the layers of a network returned, in the order of their calls.

    Args:
        maps: The last outputs of four axes before pooling.
        norms: Normalizations of tokens that read what their block reads: the residual stream of a transformer.
        blocks: Elements of a list of layers that return tokens of the shape that they were given.
        last: The last call that returned as many tokens.
    """

    maps: deque[MapOutput]
    norms: list[TokenLayer] = field(default_factory=list)
    blocks: list[TokenLayer] = field(default_factory=list)
    last: dict[int, int] = field(default_factory=dict)

    def ends_in_tokens(self, call: int) -> bool:
        """Return whether a transformer's tokens were returned after a call."""
        return any(self.last[layer.tokens] > call for layer in (*self.norms, *self.blocks))


def noted(network: nn.Module, image: Tensor, most: int | None) -> Notes:
    """Note the outputs of all layers for `corners_changed`, or for the image alone if the network refuses that.

    Args:
        network: The network, in eval mode.
        image: `(1, C, H, W)`.
        most: Number of last outputs of four axes to keep; None for all.
    """
    for images in (corners_changed(image), image):
        taken = _Noting(network, len(images), most)
        try:
            call_hooked(network, images, python_layers(network), taken.after)
            break
        except REFUSALS:
            # not enough memory for three images, or the network accepts only one
            if images is image:
                raise
    return taken.notes


class _Noting:
    """Sorts the outputs of a forward pass into `Notes`."""

    def __init__(self, network: nn.Module, num_images: int, most: int | None) -> None:
        self.notes = Notes(deque(maxlen=most))
        lists = [part for part in network.modules() if isinstance(part, nn.ModuleList | nn.Sequential)]
        self._elements = {id(element) for part in lists for element in part}
        self._num_images = num_images
        self._calls = 0
        self._pooled: list[Tensor] = []
        # normalizations whose caller has not returned yet
        self._open: list[tuple[TokenLayer, Tensor]] = []

    def after(self, name: str, module: nn.Module, given: Tensor | None, output: object) -> None:
        self._calls += 1
        self._note_readers(name, given)
        if isinstance(output, Tensor) and output.ndim == 4:
            self._note_map(name, module, output)
        elif isinstance(output, Tensor) and output.ndim == 3:
            self._note_tokens(name, module, given, output)

    def _note_map(self, name: str, module: nn.Module, output: Tensor) -> None:
        if output.shape[2:].numel() == 1:
            return
        # a container that ends with a pooling layer returns the very tensor of that layer
        if isinstance(module, POOLING) or any(output is tensor for tensor in self._pooled):
            self._pooled.append(output)
            return
        maps = self.notes.maps
        names = maps.pop().names if maps and maps[-1].output is output else []
        maps.append(MapOutput([*names, name], output, self._calls))

    def _note_tokens(self, name: str, module: nn.Module, given: Tensor | None, output: Tensor) -> None:
        batch_axis = next((axis for axis in (0, 1) if output.shape[axis] == self._num_images), None)
        if batch_axis is None or output.shape[1 - batch_axis] == 1:
            return
        layer = TokenLayer(name, output.shape[1 - batch_axis], batch_axis)
        self.notes.last[layer.tokens] = self._calls
        if given is None or given.shape != output.shape:
            return
        if is_normalization(module):
            self._open.append((layer, given))
        elif id(module) in self._elements and any(True for _ in module.children()):
            self.notes.blocks.append(layer)

    def _note_readers(self, caller: str, given: Tensor | None) -> None:
        """Keep those normalizations that were called by `caller` and read what it was given itself."""
        inside = [each for each in self._open if each[0].name.startswith(f"{caller}.")]
        self._open = [each for each in self._open if each not in inside]
        self.notes.norms += [layer for layer, read in inside if read is given]


def is_normalization(module: nn.Module) -> bool:
    """Return whether a layer has weights but mixes no channels: at most a number for each of them.

    Example:
        >>> is_normalization(nn.LayerNorm(4)), is_normalization(nn.Linear(4, 4)), is_normalization(nn.Identity())
        (True, False, False)
    """
    weights = list(module.parameters())
    leaf = not any(True for _ in module.children())
    return leaf and bool(weights) and all(weight.numel() == max(weight.shape, default=1) for weight in weights)


def output_of(network: nn.Module, image: Tensor, layer: str) -> Tensor | None:
    """Return a layer's last output for `corners_changed`, or for the image alone; None if it returns no tensor."""
    for images in (corners_changed(image), image):
        outputs: list[Tensor] = []

        def keep(_: str, __: nn.Module, ___: Tensor | None, output: object, kept: list[Tensor] = outputs) -> None:
            kept[:] = [output] if isinstance(output, Tensor) else kept

        try:
            call_hooked(network, images, [layer], keep)
            break
        except REFUSALS:
            if images is image:
                raise
    return outputs[-1] if outputs else None


def first_tokens(network: nn.Module, images: Tensor, layer: TokenLayer) -> Tensor | None:
    """Return the first tensor with as many tokens as a layer returns, for each image by itself.

    Returns:
        `(N, T, D)`, what a layer returned or was given; None if there is none.
    """
    rows = []
    for image in images.split(1):
        found: list[Tensor] = []

        def look(value: object, kept: list[Tensor] = found) -> None:
            if not kept and isinstance(value, Tensor) and value.ndim == 3:
                tokens = value.movedim(layer.batch_axis, 0)
                if tokens.shape[:2] == (1, layer.tokens):
                    # copied, because the next layer may write to it
                    kept.append(tokens.clone())

        def after(_: str, __: nn.Module, ___: Tensor | None, output: object, see: Before = look) -> None:
            see(output if isinstance(output, Tensor) else None)

        call_hooked(network, image, python_layers(network), after, look)
        rows += found
    return torch.cat(rows) if len(rows) == len(images) else None


def exchange_follows(network: nn.Module, image: Tensor, layer: TokenLayer) -> bool:
    """Return whether tokens still depend on one another after a layer: another one changes if only one is replaced."""
    place = layer.tokens // 2
    others = [token for token in range(layer.tokens) if token != place]

    def later(changed_call: int | None) -> tuple[list[Tensor], int]:
        calls, outputs = 0, list[Tensor]()

        def after(name: str, _: nn.Module, __: Tensor | None, output: object) -> object:
            nonlocal calls
            if not isinstance(output, Tensor):
                return None
            if name == layer.name:
                calls += 1
                # what counts is the last call, whose output is explained
                outputs.clear()
                if calls != changed_call:
                    return None
                changed = output.movedim(layer.batch_axis, 0).clone()
                changed[:, place] = -changed[:, place] - 1
                return changed.movedim(0, layer.batch_axis)
            if calls and output.ndim == 3 and output.shape[1 - layer.batch_axis] == layer.tokens:
                outputs.append(output.movedim(layer.batch_axis, 0))
            return None

        call_hooked(network, image, python_layers(network), after)
        return outputs, calls

    before, calls = later(None)
    changed, _ = later(calls)
    return any(
        bool((one - other)[:, others].abs().max() > 1e-5 * one.abs().max())
        for one, other in zip(before, changed, strict=False)
    )


def python_layers(network: nn.Module) -> list[str]:
    """Return the names of all layers that call hooks: those of TorchScript do not."""
    return [name for name, part in network.named_modules() if name and not isinstance(part, torch.jit.ScriptModule)]


def call_hooked(
    network: nn.Module, images: Tensor, names: Iterable[str], after: After, before: Before | None = None
) -> None:
    """Evaluate a network without gradients and call `before` and `after` around each call of the named layers.

    Args:
        network: The network, in eval mode.
        images: `(N, C, H, W)`, not written to.
        names: Names of layers, as in `get_submodule`.
        after: Called after a layer.
        before: Called with the first tensor that a layer is given.
    """
    handles: list[RemovableHandle] = []
    try:
        for name in names:
            handles += _attached(network.get_submodule(name), name, after, before)
        with torch.no_grad():
            answer(network, images.clone())
    finally:
        for handle in handles:
            handle.remove()


def _attached(module: nn.Module, name: str, after: After, before: Before | None) -> list[RemovableHandle]:
    def left(part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: object) -> object:
        return after(name, part, _first_tensor(args, kwargs), output)

    def entered(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if before is not None:
            before(_first_tensor(args, kwargs))

    handles = [module.register_forward_hook(left, with_kwargs=True)]
    if before is not None:
        handles.append(module.register_forward_pre_hook(entered, with_kwargs=True))
    return handles


def _first_tensor(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
    return next((value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)), None)
