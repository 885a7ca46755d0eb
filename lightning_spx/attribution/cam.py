"""Grad-CAM: where a convolutional layer's activations raise the logit."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from lightning_spx.attribution.chunks import check_chunk_size, collected, in_chunks, one_each
from lightning_spx.attribution.gradient import differentiate, explained_logits
from lightning_spx.attribution.guards import Precision, check_precision, explaining, module_of
from lightning_spx.attribution.method import Attribution, Model, checked

POOLING = (nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, nn.FractionalMaxPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


def last_convolutional_layer(network: nn.Module, image: Tensor) -> str:
    """Return the name of the layer whose output is the last feature map of more than one pixel before pooling.

    The forward pass decides, not the order in which layers are registered: `layer4` of a ResNet, the last ReLU of VGG.

    Args:
        network: The network; its flags are left alone, so call this in eval mode.
        image: One image as a batch, `(1, C, H, W)`.

    Returns:
        The dotted name, as for `network.get_submodule`.

    Raises:
        ValueError: If no layer gives a feature map.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
        >>> last_convolutional_layer(net, torch.zeros(1, 3, 8, 8))
        '1'
    """
    found: list[str] = []
    pooled: list[Tensor] = []
    handles: list[RemovableHandle] = []

    def hook(name: str) -> RemovableHandle:
        def note(module: nn.Module, _: object, output: object) -> None:
            if not isinstance(output, Tensor) or output.ndim != 4 or output.shape[2:].numel() == 1:
                return
            # a container that ends with a pooling layer returns that layer's very tensor
            if isinstance(module, POOLING) or any(output is tensor for tensor in pooled):
                pooled.append(output)
            else:
                found.append(name)

        return network.get_submodule(name).register_forward_hook(note)

    try:
        handles += [hook(name) for name, _ in network.named_modules() if name]
        with torch.no_grad():
            network(image)
    finally:
        for handle in handles:
            handle.remove()
    if not found:
        raise ValueError(
            f"Expected a layer of {type(network).__name__} with a feature map of more than one pixel, got none: "
            "GradCAM explains convolutional networks."
        )
    return found[-1]


@dataclass(frozen=True)
class GradCAM(Attribution):
    """The positive part of a layer's activations, weighted by their mean gradients and scaled up to the image.

    The map is written to every channel divided by the number of channels, so that the sum over channels gives it back.

    Source: Selvaraju et al., Grad-CAM, 2017, equations 1 and 2.

    Args:
        layer: Dotted name of a layer with output `(N, A, h, w)`, as for `get_submodule`; None takes the last feature
            map before pooling, found by `last_convolutional_layer`.
        precision: "fp32", also inside mixed-precision training, or "bf16" for bfloat16 autocast.
        chunk_size: Images evaluated at once; None chooses from their size. Halved when memory runs out.

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
        """Refuse settings that make no sense."""
        check_precision(self.precision)
        check_chunk_size(self.chunk_size)

    def attribute(self, model: Model, inputs: Tensor, target: Tensor | None) -> Tensor:
        """Return the class activation map, `(N, C, H, W)`, non-negative, equal in all channels.

        Raises:
            TypeError: If `model` is not a module or a method of one, and as in `Attribution.attribute`.
            ValueError: If there is no such layer or it gives no feature map, and as in `Attribution.attribute`.
        """
        inputs, target = checked(inputs, target)

        def evaluate(images: Tensor, chosen: Tensor | None) -> Tensor:
            return self._maps(model, images, chosen)

        return collected(in_chunks("GradCAM", evaluate, one_each(inputs), target, self.chunk_size), inputs)

    def _maps(self, model: Model, inputs: Tensor, target: Tensor | None) -> Tensor:
        # compiled code ignores hooks that were added after compilation
        with explaining(model, inputs.device, self.precision) as explained, torch.compiler.set_stance("force_eager"):
            network = module_of(explained)
            if network is None:
                raise TypeError(f"Expected `model` to be an nn.Module for GradCAM, got {type(model).__name__}.")
            images = inputs.clone()
            layer = self.layer or last_convolutional_layer(network, images[:1])
            with _captured(network, layer) as outputs:
                logits = explained_logits(explained, images, target)
            if not outputs or outputs[-1].ndim != 4:
                got = f"shape {tuple(outputs[-1].shape)}" if outputs else "no output at all"
                raise ValueError(f"Expected `layer` {layer!r} to return a feature map (N, A, h, w), got {got}.")
            activations = outputs[-1]
            gradients = differentiate(logits, activations)
            weights = gradients.mean(dim=(2, 3), keepdim=True)
            maps = (weights * activations.detach().float()).sum(dim=1, keepdim=True).relu()
            maps = F.interpolate(maps, size=inputs.shape[2:], mode="bilinear", align_corners=False)
            return maps.expand_as(inputs) / inputs.shape[1]


@contextmanager
def _captured(network: nn.Module, layer: str) -> Iterator[list[Tensor]]:
    outputs: list[Tensor] = []

    def capture(_: nn.Module, __: object, output: object) -> object:
        if not isinstance(output, Tensor):
            return output
        # the graph starts here, so nothing before the layer is kept; the copy is for an in-place layer that follows
        outputs.append(output.detach().requires_grad_())
        return outputs[-1].clone()

    try:
        handle = network.get_submodule(layer).register_forward_hook(capture)
    except AttributeError as error:
        raise ValueError(f"Expected `layer` to name a module of {type(network).__name__}, got {layer!r}.") from error
    try:
        yield outputs
    finally:
        handle.remove()
