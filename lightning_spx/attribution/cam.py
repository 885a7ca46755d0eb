"""Grad-CAM: shows where a convolutional layer's activations raise the logit."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from lightning_spx.attribution.alone import REFUSALS, Neighbors
from lightning_spx.attribution.backward import evaluated_gradient
from lightning_spx.attribution.chunks import check_chunk_size, collected, in_chunks, one_each
from lightning_spx.attribution.feature_maps import channel_axis, corners_changed
from lightning_spx.attribution.guards import Precision, check_precision, explaining
from lightning_spx.attribution.logits import answer, explained_logits
from lightning_spx.attribution.method import Attribution, Model, checked
from lightning_spx.guard.layer_names import layer_names, module_of, users_name

OUTPUTS_KEPT = 8
POOLING = (nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, nn.FractionalMaxPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


def last_convolutional_layer(network: nn.Module, image: Tensor) -> str:
    """Return the name of the layer whose output is the last feature map of more than one pixel before pooling.

    The order of the forward pass decides, not that of registration: `layer4` of a ResNet, the last ReLU of VGG.
    `channel_axis` decides whether an output is a feature map; the scores and keys of an attention are none.

    Args:
        network: The network, in eval mode; its train/eval flags are not changed here.
        image: One image as a batch, `(1, C, H, W)`.

    Returns:
        The dotted name, as in `network.get_submodule`.

    Raises:
        ValueError: If no layer gives a feature map.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
        >>> last_convolutional_layer(net, torch.zeros(1, 3, 8, 8))
        '1'
    """
    return _last_feature_map(network, image)[0]


def _last_feature_map(network: nn.Module, image: Tensor) -> tuple[str, int]:
    """Find the name of the layer and the axis of its channels, trying the last outputs of the network first."""
    for most in (OUTPUTS_KEPT, None):
        for name, output in reversed(_outputs(network, image, most)):
            axis = channel_axis(output, (image.shape[2], image.shape[3]))
            if axis is not None:
                return name, axis
    raise ValueError(
        f"Expected a layer of {users_name(network)} with a feature map of more than one pixel, got none: "
        "GradCAM explains convolutional networks whose layers are modules that run in Python."
    )


def _outputs(network: nn.Module, image: Tensor, most: int | None, layer: str | None = None) -> list[tuple[str, Tensor]]:
    """Return the four-dimensional outputs before pooling, the last one of each module, in the order of use.

    Args:
        network: The network, in eval mode.
        image: `(1, C, H, W)`. The outputs are those for `corners_changed`, or for the image if that fails.
        most: Number of last outputs to keep; None for all.
        layer: The only layer to look at; None for all.
    """
    found: deque[tuple[str, Tensor]] = deque(maxlen=most)
    pooled: list[Tensor] = []

    def hook(name: str) -> RemovableHandle:
        def note(module: nn.Module, _: object, output: object) -> None:
            if not isinstance(output, Tensor) or output.ndim != 4:
                return
            if layer is None and output.shape[2:].numel() == 1:
                return
            # a container that ends with a pooling layer returns the very tensor of that layer
            if layer is None and (isinstance(module, POOLING) or any(output is tensor for tensor in pooled)):
                pooled.append(output)
                return
            if found and found[-1][1] is output:
                found.pop()
            found.append((name, output))

        return network.get_submodule(name).register_forward_hook(note)

    # layers of TorchScript call no hooks
    in_python = [
        name for name, part in network.named_modules() if name and not isinstance(part, torch.jit.ScriptModule)
    ]
    names = in_python if layer is None else [layer]
    handles: list[RemovableHandle] = []
    try:
        handles += [hook(name) for name in names]
        with torch.no_grad():
            try:
                answer(network, corners_changed(image))
            except REFUSALS:
                # not enough memory for three images, or the network accepts only one
                found.clear()
                pooled.clear()
                answer(network, image.clone())
    finally:
        for handle in handles:
            handle.remove()
    return list(found)


@dataclass(frozen=True)
class GradCAM(Attribution):
    """The positive part of a layer's activations, weighted by their mean gradients and scaled up to the image.

    Every channel gets the map divided by the number of channels, so that the sum over channels is the map.

    Source: Selvaraju et al., Grad-CAM, 2017, equations 1 and 2.

    Args:
        layer: Dotted name of a layer with output `(N, A, h, w)`, or `(N, h, w, A)` as in a Swin transformer, as in
            `get_submodule`; None takes the last feature map before pooling, found by `last_convolutional_layer`.
        precision: "fp32", also inside mixed-precision training, or "bf16" for bfloat16 autocast.
        chunk_size: Images evaluated at once; None chooses by their size. The number is halved when memory runs out.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> _ = nn.init.constant_(net[0].weight, 2.0)
        >>> GradCAM().attribute(net, torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([0]))
        tensor([[[[1., 3.]]]])
    """

    non_negative: ClassVar[bool] = True

    layer: str | None = None
    precision: Precision = "fp32"
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        check_precision(self.precision)
        check_chunk_size(self.chunk_size)

    def attribute(self, model: Model, inputs: Tensor, target: Tensor | None) -> Tensor:
        """Return the class activation map, `(N, C, H, W)`, non-negative, equal in all channels.

        Raises:
            TypeError: If `model` is not a module or a method of one, and as in `Attribution.attribute`.
            ValueError: If the layer does not exist or gives no feature map, and as in `Attribution.attribute`.
        """
        inputs, target = checked(inputs, target)
        seen: tuple[str, int] | None = None
        alone = Neighbors(model, self.precision, at_once=True)

        def evaluate(images: Tensor, chosen: Tensor | None) -> Tensor:
            nonlocal seen
            seen, maps, logits = self._maps(model, images, chosen, seen)
            alone.look(images, chosen, logits)
            return maps

        return collected(in_chunks("GradCAM", evaluate, one_each(inputs), target, self.chunk_size), inputs)

    def _maps(
        self, model: Model, inputs: Tensor, target: Tensor | None, seen: tuple[str, int] | None
    ) -> tuple[tuple[str, int], Tensor, Tensor]:
        # compiled code ignores hooks that were added after compilation
        with explaining(model, inputs.device, self.precision) as explained, torch.compiler.set_stance("force_eager"):
            network = module_of(explained)
            if network is None:
                raise TypeError(f"Expected `model` to be an nn.Module for GradCAM, got {type(model).__name__}.")
            layer, channels = seen or self._seen(network, inputs[:1])

            def evaluate() -> tuple[Tensor, Tensor]:
                outputs.clear()
                # a copy, because a model may write to its input
                logits = explained_logits(explained, inputs.clone(), target)
                if not outputs or outputs[-1].ndim != 4 or len(outputs[-1]) != len(inputs):
                    raise _no_feature_map(layer, tuple(outputs[-1].shape) if outputs else None)
                return logits, outputs[-1]

            # captures in the backward pass too, where an activation checkpoint evaluates the layer again
            with _captured(network, layer) as outputs:
                gradients, logits, activations = evaluated_gradient(evaluate)
            gradients, activations = gradients.movedim(channels, 1), activations.detach().float().movedim(channels, 1)
            weights = gradients.mean(dim=(2, 3), keepdim=True)
            maps = (weights * activations).sum(dim=1, keepdim=True).relu()
            maps = F.interpolate(maps, size=inputs.shape[2:], mode="bilinear", align_corners=False)
            return (layer, channels), maps.expand_as(inputs) / inputs.shape[1], logits.detach()

    def _seen(self, network: nn.Module, image: Tensor) -> tuple[str, int]:
        if self.layer is None:
            return _last_feature_map(network, image)
        if any(isinstance(part, torch.jit.ScriptModule) for part in network.modules()):
            raise TypeError(
                f"Expected layers that run in Python for GradCAM, got TorchScript in {users_name(network)}."
            )
        try:
            network.get_submodule(self.layer)
        except AttributeError as error:
            names = ", ".join(layer_names(network, self.layer)) or "none"
            raise ValueError(
                f"Expected `layer` to name a module of {users_name(network)}, such as {names}, got {self.layer!r}."
            ) from error
        outputs = _outputs(network, image, 1, self.layer)
        if not outputs:
            # the evaluation will say which output there is instead
            return self.layer, 1
        shape = tuple(outputs[-1][1].shape)
        axis = channel_axis(outputs[-1][1], (image.shape[2], image.shape[3]))
        if axis is None:
            raise _no_feature_map(self.layer, shape)
        return self.layer, axis


def _no_feature_map(layer: str, shape: tuple[int, ...] | None) -> ValueError:
    got = "no output at all" if shape is None else f"shape {shape}"
    four = "" if shape is None or len(shape) != 4 else " in which the image's rows and columns were not found"
    return ValueError(
        f"Expected `layer` {layer!r} to return a feature map (N, A, h, w) or (N, h, w, A), got {got}{four}."
    )


@contextmanager
def _captured(network: nn.Module, layer: str) -> Iterator[list[Tensor]]:
    outputs: list[Tensor] = []

    def capture(_: nn.Module, __: object, output: object) -> object:
        if not isinstance(output, Tensor):
            return output
        if not torch.is_grad_enabled():
            raise ValueError(
                f"Expected `layer` {layer!r} to be evaluated with gradients, got it where they are off: under "
                "`torch.no_grad`, or in an activation checkpoint that is not `use_reentrant=False`."
            )
        # the graph starts here, so that nothing before the layer is kept; copied in case an in-place layer follows
        outputs.append(output.detach().requires_grad_())
        return outputs[-1].clone()

    handle = network.get_submodule(layer).register_forward_hook(capture)
    try:
        yield outputs
    finally:
        handle.remove()
