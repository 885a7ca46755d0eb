"""Notes what the layers of a network return, to find a feature map or a transformer's tokens among it."""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lightning_spx.attribution.alone import REFUSALS
from lightning_spx.attribution.feature_maps import corners_changed
from lightning_spx.attribution.layer_calls import call_hooked, only_tensor, python_layers
from lightning_spx.attribution.token_layers import TokenLayer

POOLING = (nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, nn.FractionalMaxPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


class MapOutput(NamedTuple):
    """An output of four axes, the names of the modules that return this very tensor, and which call gave it."""

    names: list[str]
    output: Tensor
    call: int


@dataclass
class Notes:
    """What the layers of a network returned, in the order of their calls.

    Args:
        maps: The last outputs of four axes before pooling.
        norms: Normalizations of tokens that read what their block reads: the residual stream of a transformer.
        blocks: Elements of a list of layers that return tokens of the shape that they were given.
        last: The last call that returned as many tokens.
        channels_last: Shapes `(h, w, A)` of outputs that a normalization takes with a number for each index of the last
            axis, and for none of the first.
    """

    maps: deque[MapOutput]
    norms: list[TokenLayer] = field(default_factory=list)
    blocks: list[TokenLayer] = field(default_factory=list)
    last: dict[int, int] = field(default_factory=dict)
    channels_last: set[torch.Size] = field(default_factory=set)

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
        tensor = only_tensor(output)
        if tensor is not None and tensor.ndim == 4:
            self._note_map(name, module, given, tensor)
        elif tensor is not None and tensor.ndim == 3:
            self._note_tokens(name, module, given, tensor)

    def _note_map(self, name: str, module: nn.Module, given: Tensor | None, output: Tensor) -> None:
        # a table of positions, for instance, is no map of the images
        if output.shape[2:].numel() == 1 or len(output) != self._num_images:
            return
        # a container that ends with a pooling layer returns the very tensor of that layer
        if isinstance(module, POOLING) or any(output is tensor for tensor in self._pooled):
            self._pooled.append(output)
            return
        maps = self.notes.maps
        # an attention's queries and keys are normalized too, but are no layer's output as they are
        if is_normalization(module) and any(given is before.output for before in maps):
            numbers = {weight.numel() for weight in module.parameters()}
            if numbers == {output.shape[3]} and output.shape[1] != output.shape[3]:
                self.notes.channels_last.add(output.shape[1:])
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


def output_of(network: nn.Module, image: Tensor, layer: str) -> tuple[Tensor | None, int]:
    """Return a layer's last output, None if that is no tensor, and for how many images it is.

    The images are those of `corners_changed`, or the image alone if the network refuses them.
    """
    for images in (corners_changed(image), image):
        outputs: list[Tensor] = []

        def keep(_: str, __: nn.Module, ___: Tensor | None, output: object, kept: list[Tensor] = outputs) -> None:
            tensor = only_tensor(output)
            kept[:] = kept if tensor is None else [tensor]

        try:
            call_hooked(network, images, [layer], keep)
            break
        except REFUSALS:
            if images is image:
                raise
    return outputs[-1] if outputs else None, len(images)
