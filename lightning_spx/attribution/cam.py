"""Class activation maps: show where the activations of a layer raise the logit."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_spx.attribution.alone import Neighbors
from lightning_spx.attribution.backward import evaluated_gradient
from lightning_spx.attribution.cam_layers import (
    ExplainedLayer,
    default_layer,
    found_layer,
    named_layer,
    no_feature_map,
)
from lightning_spx.attribution.chunks import check_chunk_size, collected, in_chunks, one_each
from lightning_spx.attribution.guards import Precision, check_precision, explaining
from lightning_spx.attribution.layer_calls import in_place_of, only_tensor
from lightning_spx.attribution.logits import explained_logits
from lightning_spx.attribution.method import Attribution, Model, checked
from lightning_spx.attribution.targets import Target
from lightning_spx.attribution.token_maps import TokenGrid
from lightning_spx.guard.layer_names import module_of
from lightning_spx.guard.passes import uncounted

# the name from before transformers were explained too
last_convolutional_layer = default_layer

# what pytorch-grad-cam adds to the denominator of Grad-CAM++, so that a gradient of zero divides nothing by zero
EPSILON = 1e-6


@dataclass(frozen=True)
class ClassActivationMap(Attribution):
    """What all class activation maps share: they differ in how they weight activations by gradients.

    Every channel of the image gets the map divided by the number of channels, so that the sum over them is the map.

    Args:
        layer: Dotted name of a layer, as in `get_submodule`; None takes that of `default_layer`.
        precision: "fp32", also inside mixed-precision training, or "bf16" for bfloat16 autocast.
        chunk_size: Images evaluated at once; None chooses by their size. The number is halved when memory runs out.
    """

    non_negative: ClassVar[bool] = True

    layer: str | None = None
    precision: Precision = "fp32"
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.layer is not None and not isinstance(self.layer, str):
            raise TypeError(
                f"Expected `layer` to be the dotted name of a layer, as in model.named_modules(), got "
                f"{type(self.layer).__name__}."
            )
        check_precision(self.precision)
        check_chunk_size(self.chunk_size)

    @abstractmethod
    def weighted(self, gradients: Tensor, activations: Tensor) -> Tensor:
        """Weight the activations of a layer by its gradients.

        Args:
            gradients: Of the explained logits with respect to the layer's output, `(N, A, h, w)`.
            activations: The layer's output, `(N, A, h, w)` or smaller along axes that are summed over.

        Returns:
            `(N, A, h, w)`, whose sum over A is the map before its negative part is dropped.
        """

    def attribute(self, model: Model, inputs: Tensor, target: Target) -> Tensor:
        """Return the class activation map, `(N, C, H, W)`, non-negative, equal in all channels.

        Raises:
            TypeError: If `model` is not a module or a method of one, and as in `Attribution.attribute`.
            ValueError: If the layer does not exist, gives no feature map or tokens of no grid, and as in
                `Attribution.attribute`.
        """
        inputs, target = checked(inputs, target)
        seen: ExplainedLayer | None = None
        alone = Neighbors(model, self.precision, at_once=True)

        def evaluate(images: Tensor, chosen: Tensor | None) -> Tensor:
            nonlocal seen
            seen, maps, logits = self._maps(model, images, chosen, seen)
            alone.look(images, chosen, logits)
            return maps

        name = type(self).__name__
        return collected(in_chunks(name, evaluate, one_each(inputs), target, self.chunk_size), inputs)

    def _maps(
        self, model: Model, inputs: Tensor, target: Tensor | None, seen: ExplainedLayer | None
    ) -> tuple[ExplainedLayer, Tensor, Tensor]:
        # compiled code ignores hooks that were added after compilation
        with explaining(model, inputs.device, self.precision) as explained, torch.compiler.set_stance("force_eager"):
            network = module_of(explained)
            if network is None:
                raise TypeError(
                    f"Expected `model` to be an nn.Module for {type(self).__name__}, got {type(model).__name__}."
                )
            with uncounted():
                layer = seen or self._seen(network, inputs[:1])
            layout = layer.layout

            def evaluate() -> tuple[Tensor, Tensor]:
                outputs.clear()
                # a copy, because a model may write to its input
                logits = explained_logits(explained, inputs.clone(), target)
                if not outputs or not layout.fits(outputs[-1]) or len(outputs[-1]) != len(inputs):
                    raise no_feature_map(layer.name, outputs[-1] if outputs else None)
                return logits, outputs[-1]

            # captures in the backward pass too, where an activation checkpoint evaluates the layer again
            with _captured(network, layer) as outputs:
                gradients, logits, activations = evaluated_gradient(evaluate)
            if isinstance(layout, TokenGrid) and layout.is_passed_by(gradients):
                raise ValueError(
                    f"Expected the patches in `layer` {layer.name!r} to have gradients, got them for other tokens "
                    "only: the logits read a class token. Name a `layer` before the last attention, or none."
                )
            gradients = layout.channels_first(gradients)
            activations = layout.channels_first(activations.detach().float())
            maps = self.weighted(gradients, activations).sum(dim=1, keepdim=True).relu()
            maps = F.interpolate(maps, size=inputs.shape[2:], mode="bilinear", align_corners=False)
            return layer, maps.expand_as(inputs) / inputs.shape[1], logits.detach()

    def _seen(self, network: nn.Module, image: Tensor) -> ExplainedLayer:
        return found_layer(network, image) if self.layer is None else named_layer(network, image, self.layer)


@dataclass(frozen=True)
class GradCAM(ClassActivationMap):
    """The positive part of a layer's activations, weighted by their mean gradients and scaled up to the image.

    Every channel gets the map divided by the number of channels, so that the sum over channels is the map.

    Source: Selvaraju et al., Grad-CAM, ICCV 2017, equations 1 and 2.

    Args:
        layer: Dotted name of a layer, as in `get_submodule`, with output `(N, A, h, w)`, `(N, h, w, A)` as in a Swin
            transformer, or `(N, T, A)` as in a vision transformer, of which class and register tokens are left out.
            None takes the last feature map before pooling, the first normalization of a vision transformer's last
            block, or the last stage of a Swin transformer.
        precision: "fp32", also inside mixed-precision training, or "bf16" for bfloat16 autocast.
        chunk_size: Images evaluated at once; None chooses by their size. The number is halved when memory runs out.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> _ = nn.init.constant_(net[0].weight, 2.0)
        >>> GradCAM().attribute(net, torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([0]))
        tensor([[[[1., 3.]]]])
    """

    def weighted(self, gradients: Tensor, activations: Tensor) -> Tensor:
        """Weight each channel by its mean gradient."""
        return gradients.mean(dim=(2, 3), keepdim=True) * activations


@dataclass(frozen=True)
class GradCAMPlusPlus(ClassActivationMap):
    """The positive part of a layer's activations, weighted by positive gradients where they matter most.

    The weight of a channel is the sum of its positive gradients g, each times g^2 / (2 g^2 + S g^3 + 1e-6), where S is
    the sum of the channel's activations. As in pytorch-grad-cam, the logit's exponential, one factor for the whole map,
    is left out, and 1e-6 keeps the denominator from zero.

    Source: Chattopadhay et al., Grad-CAM++, WACV 2018, equations 7 and 19.

    Args:
        layer: As in `GradCAM`.
        precision: "fp32", also inside mixed-precision training, or "bf16" for bfloat16 autocast.
        chunk_size: Images evaluated at once; None chooses by their size. The number is halved when memory runs out.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> _ = nn.init.constant_(net[0].weight, 2.0)
        >>> GradCAMPlusPlus().attribute(net, torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([0]))
        tensor([[[[0.3333, 1.0000]]]])
    """

    def weighted(self, gradients: Tensor, activations: Tensor) -> Tensor:
        """Weight each channel by a weighted sum of its positive gradients."""
        squares = gradients**2
        sums = activations.sum(dim=(2, 3), keepdim=True)
        shares = squares / (2 * squares + sums * squares * gradients + EPSILON)
        return (gradients.relu() * shares).sum(dim=(2, 3), keepdim=True) * activations


@dataclass(frozen=True)
class LayerCAM(ClassActivationMap):
    """The positive part of a layer's activations, each weighted by its own positive gradient.

    The map is relu(sum over channels of relu(g) A) for activations A with gradients g, so that layers with many places,
    whose gradients differ from place to place, can be explained too.

    Source: Jiang et al., LayerCAM, IEEE TIP 2021, section III (the method's weights, products and sum).

    Args:
        layer: As in `GradCAM`.
        precision: "fp32", also inside mixed-precision training, or "bf16" for bfloat16 autocast.
        chunk_size: Images evaluated at once; None chooses by their size. The number is halved when memory runs out.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> _ = nn.init.constant_(net[0].weight, 2.0)
        >>> LayerCAM().attribute(net, torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([0]))
        tensor([[[[1., 3.]]]])
    """

    def weighted(self, gradients: Tensor, activations: Tensor) -> Tensor:
        """Weight each activation by its own positive gradient."""
        return gradients.relu() * activations


@contextmanager
def _captured(network: nn.Module, layer: ExplainedLayer) -> Iterator[list[Tensor]]:
    """Collect the outputs of a layer, images first, as variables that the rest of the network is computed from."""
    outputs: list[Tensor] = []

    def capture(_: nn.Module, __: object, output: object) -> object:
        tensor = only_tensor(output)
        if tensor is None:
            return output
        if not torch.is_grad_enabled():
            raise ValueError(
                f"Expected `layer` {layer.name!r} to be evaluated with gradients, got it where they are off: under "
                "`torch.no_grad`, or in an activation checkpoint that is not `use_reentrant=False`."
            )
        # the graph starts here, so that nothing before the layer is kept; copied in case an in-place layer follows
        outputs.append(tensor.movedim(layer.layout.batch_axis, 0).detach().requires_grad_())
        return in_place_of(output, outputs[-1].clone().movedim(0, layer.layout.batch_axis))

    handle = network.get_submodule(layer.name).register_forward_hook(capture)
    try:
        yield outputs
    finally:
        handle.remove()
