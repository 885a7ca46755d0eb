"""Finds the layer that a class activation map explains, and where the image's rows and columns are in its output."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lightning_spx.attribution.feature_maps import ChannelAxis, channel_axis, same_aspect
from lightning_spx.attribution.layer_outputs import Notes, is_normalization, noted, output_of
from lightning_spx.attribution.token_layers import TokenLayer, exchange_follows, first_tokens
from lightning_spx.attribution.token_maps import TokenGrid, quarters_replaced, token_grid
from lightning_spx.guard.layer_names import find_layer, users_name

OUTPUTS_KEPT = 8


@dataclass(frozen=True)
class ExplainedLayer:
    """The name of a layer, as in `get_submodule`, and how the image lies in its output."""

    name: str
    layout: ChannelAxis | TokenGrid


def default_layer(network: nn.Module, image: Tensor) -> str:
    """Return the name of the layer that is explained if none is named.

    The order of the forward pass decides, not that of registration, and what the layers return, not their names:

    - The last feature map of more than one pixel before pooling: `layer4` of a ResNet, the last ReLU of VGG.
      `channel_axis` decides whether an output is a feature map; the scores and keys of an attention are none.
    - If its channels come last and it is a normalization behind the last stage, that stage: a Swin transformer's.
    - If tokens come later than any feature map, the normalization by which the last block that lets them see one
      another reads them: the first one of a vision transformer's last block. A head that reads the class token gives
      all others a gradient of zero from that block on. Without such a normalization, the last block before that.

    Args:
        network: The network, in eval mode; its train/eval flags are not changed here.
        image: One image as a batch, `(1, C, H, W)`.

    Returns:
        The dotted name, as in `network.get_submodule`.

    Raises:
        ValueError: If no layer gives a feature map, or the tokens of that layer form no grid.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
        >>> default_layer(net, torch.zeros(1, 3, 8, 8))
        '1'
    """
    return found_layer(network, image).name


def found_layer(network: nn.Module, image: Tensor) -> ExplainedLayer:
    """Find the layer of `default_layer` and how the image lies in its output."""
    notes = noted(network, image, OUTPUTS_KEPT)
    found = None
    if not notes.maps or not notes.ends_in_tokens(notes.maps[-1].call):
        found = _last_map(network, notes, image)
        if found is None and len(notes.maps) == OUTPUTS_KEPT:
            notes = noted(network, image, None)
            found = _last_map(network, notes, image)
    if found is None or notes.ends_in_tokens(found[1]):
        for layers in (notes.norms, notes.blocks):
            layer = next((each for each in reversed(layers) if exchange_follows(network, image, each)), None)
            if layer is not None:
                return ExplainedLayer(layer.name, _grid(network, image, layer))
    if found is None:
        # tokens that never see one another: the patches' own features are as good as any
        found = _last_map(network, noted(network, image, None), image)
    if found is None:
        raise ValueError(
            f"Expected a layer of {users_name(network)} with a feature map of more than one pixel, got none: "
            "class activation maps explain networks whose layers are modules that run in Python."
        )
    return found[0]


def named_layer(network: nn.Module, image: Tensor, name: str) -> ExplainedLayer:
    """Find how the image lies in the output of the layer that the user named.

    Raises:
        TypeError: If the network has parts of TorchScript.
        ValueError: If there is no such layer, or the image is not found in its output.
    """
    if any(isinstance(part, torch.jit.ScriptModule) for part in network.modules()):
        raise TypeError(
            f"Expected layers that run in Python for a class activation map, got TorchScript in {users_name(network)}."
        )
    find_layer(network, name)
    output, num_images = output_of(network, image, name)
    if output is None or output.ndim not in (3, 4):
        # the evaluation will say which output there is instead
        return ExplainedLayer(name, ChannelAxis(1))
    if output.ndim == 3:
        batch_axis = int(output.shape[0] != num_images and output.shape[1] == num_images)
        return ExplainedLayer(name, _grid(network, image, TokenLayer(name, output.shape[1 - batch_axis], batch_axis)))
    axis = channel_axis(output, (image.shape[2], image.shape[3]))
    if axis is None:
        axis = _axis(noted(network, image, OUTPUTS_KEPT), output, image)
    if axis is None:
        raise no_feature_map(name, output)
    return ExplainedLayer(name, ChannelAxis(axis))


def no_feature_map(layer: str, output: Tensor | None) -> ValueError:
    """Return the error for a layer that gives no feature map: a tensor of another kind, or none at all."""
    if output is None:
        return _refused(layer, "no output at all")
    strange = " in which the image's rows and columns were not found" if output.ndim == 4 else ""
    return _refused(layer, f"shape {tuple(output.shape)}{strange}")


def _refused(layer: str, got: str) -> ValueError:
    return ValueError(
        f"Expected `layer` {layer!r} to return a feature map (N, A, h, w) or (N, h, w, A), or tokens (N, T, A), got "
        f"{got}: name another `layer`."
    )


def _grid(network: nn.Module, image: Tensor, layer: TokenLayer) -> TokenGrid:
    tokens = first_tokens(network, quarters_replaced(image), layer)
    grid = None if tokens is None else token_grid(tokens, layer.batch_axis)
    if grid is None:
        raise _refused(
            layer.name, f"{layer.tokens} tokens, of which those that change with the image are no grid of its patches"
        )
    return grid


def _last_map(network: nn.Module, notes: Notes, image: Tensor) -> tuple[ExplainedLayer, int] | None:
    """Find the last feature map and the call that returned it."""
    maps = notes.maps
    for place in reversed(range(len(maps))):
        names, output, call = maps[place]
        axis = _axis(notes, output, image)
        if axis is None:
            continue
        # a layer may turn channels to the front for pooling, as torchvision's Swin does
        turned = axis == 1 and place > 0 and _is_turned(maps[place - 1].output, output)
        normalized = maps[place - 1] if turned else maps[place]
        before = place - 1 - turned
        if (
            (turned or axis == 3)
            and before >= 0
            and is_normalization(network.get_submodule(normalized.names[-1]))
            and maps[before].output.shape == normalized.output.shape
            and _axis(notes, maps[before].output, image) == 3
        ):
            return ExplainedLayer(_stage(network, maps[before].names), ChannelAxis(3)), call
        return ExplainedLayer(names[-1], ChannelAxis(axis)), call
    return None


def _axis(notes: Notes, output: Tensor, image: Tensor) -> int | None:
    """Find the axis of the channels by what moves in the output or, if that does not show it, by a normalization's."""
    height, width = image.shape[2:]
    axis = channel_axis(output, (height, width))
    if axis is None and output.shape[1:] in notes.channels_last:
        return 3 if same_aspect((output.shape[1], output.shape[2]), (height, width)) else None
    return axis


def _is_turned(last: Tensor, first: Tensor) -> bool:
    """Return whether `first` is `last` with its channels in front, and no copy."""
    return first.data_ptr() == last.data_ptr() and first.shape == last.movedim(3, 1).shape


def _stage(network: nn.Module, names: list[str]) -> str:
    """Return the last stage by name, not the list of all stages, which returns the same tensor."""
    if len(names) > 1 and type(network.get_submodule(names[-1])) is nn.Sequential:
        return names[-2]
    return names[-1]
