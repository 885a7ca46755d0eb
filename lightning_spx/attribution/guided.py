"""Guided backpropagation, and Grad-CAM at its resolution: published methods that hardly depend on the weights."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import Node
from torch.nn.parallel import DistributedDataParallel

from lightning_spx.attribution.backward import REENTRANT_CHECKPOINT, nodes_behind
from lightning_spx.attribution.cam import GradCAM
from lightning_spx.attribution.chunks import check_chunk_size, collected, one_each
from lightning_spx.attribution.finite import inside
from lightning_spx.attribution.gradient import gradients_at
from lightning_spx.attribution.guards import Precision, check_precision
from lightning_spx.attribution.method import Attribution, Model, checked
from lightning_spx.attribution.targets import Target
from lightning_spx.guard.layer_names import users_name
from lightning_spx.guard.model_output import read_output

# how the nodes of the backward pass are named, whether a module, a function or an operator was called
RELU = "ReluBackward"
# what takes the place of ReLU in other networks, for which the method is not defined
OTHER_RECTIFIERS = {
    "CeluBackward": "CELU",
    "EluBackward": "ELU or SELU",
    "GeluBackward": "GELU",
    "HardswishBackward": "Hardswish",
    "HardtanhBackward": "ReLU6 or Hardtanh",
    "LeakyReluBackward": "LeakyReLU",
    "MaximumBackward": "torch.maximum",
    "MishBackward": "Mish",
    "PreluKernelBackward": "PReLU",
    "RreluWithNoiseBackward": "RReLU",
    "SiluBackward": "SiLU",
    "SoftplusBackward": "Softplus",
    "ThresholdBackward": "Threshold",
}
# what hides a part of the network, where a ReLU would silently keep its own gradient
HIDING = {
    REENTRANT_CHECKPOINT: "an activation checkpoint that is not `use_reentrant=False`",
    "CompiledFunctionBackward": "compiled code",
    "CopySlices": "an operation that writes to a view of a tensor",
    "DifferentiableGraphBackward": "a TorchScript graph",
}


@dataclass(frozen=True)
class GuidedBackprop(Attribution):
    """The gradient, of which every ReLU passes on only what is positive, where its input is positive.

    Warning: such maps resemble edges of the image and hardly change when the weights of the network are randomized
    (Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018), because they partly restore the image (Nie et al.,
    A Theoretical Explanation for Perplexing Behaviors of Backpropagation-based Visualizations, ICML 2018) whatever the
    later layers compute (Sixt et al., When Explanations Lie, ICML 2020). They agree between two models for that reason
    alone; `sanity_stages` of `spx stability` shows it.

    Every ReLU is guided: a module, also in place or called several times, and a function. Networks with other
    rectifiers (GELU, SiLU, ReLU6, ...) are refused, as the method is not defined for them. A rectifier that is spelled
    out in arithmetic, such as `x * (x > 0)`, cannot be told from a gate and keeps its own gradient.

    Source: Springenberg et al., Striving for Simplicity: The All Convolutional Net, ICLR Workshop 2015, figure 1.

    Args:
        precision: "fp32", also inside mixed-precision training, or "bf16" for bfloat16 autocast.
        chunk_size: Images evaluated at once; None chooses by their size. The number is halved when memory runs out.

    Example:
        >>> weights = torch.tensor([[1.0, 1.0], [-1.0, 1.0]])
        >>> def network(x):
        ...     return x.flatten(1).relu() @ weights
        >>> GuidedBackprop().attribute(network, torch.tensor([[[[1.0, 2.0]]]]), target=0)
        tensor([[[[1., 0.]]]])
    """

    precision: Precision = "fp32"
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        check_precision(self.precision)
        check_chunk_size(self.chunk_size)

    def attribute(self, model: Model, inputs: Tensor, target: Target) -> Tensor:
        """Return the guided gradient, `(N, C, H, W)`.

        Raises:
            TypeError: As in `Attribution.attribute`.
            ValueError: As in `Attribution.attribute`, if the network has no ReLU or another rectifier, or if a part of
                it hides its operations (a reentrant activation checkpoint, a TorchScript graph, a write to a view, an
                autograd function of its own).
        """
        inputs, target = checked(inputs, target)
        return collected(self.attribute_points(model, one_each(inputs), target), inputs)

    def attribute_points(
        self, model: Model, points: Iterable[tuple[int, Tensor]], target: Tensor | None
    ) -> Iterator[tuple[int, Tensor]]:
        """Yield the guided gradient at each point."""
        return gradients_at("GuidedBackprop", guided(model), points, target, self.precision, self.chunk_size)


@dataclass(frozen=True)
class GuidedGradCAM(Attribution):
    """Guided backpropagation times the map of Grad-CAM, scaled up to the image.

    Warning: the fine structure is that of `GuidedBackprop`, which hardly depends on the weights.

    Source: Selvaraju et al., Grad-CAM, ICCV 2017, section 3.2.

    Args:
        layer: The layer of Grad-CAM, as in `GradCAM`.
        precision: "fp32", also inside mixed-precision training, or "bf16" for bfloat16 autocast.
        chunk_size: Images evaluated at once; None chooses by their size. The number is halved when memory runs out.

    Example:
        >>> from torch import nn
        >>> net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> _ = nn.init.constant_(net[0].weight, 2.0)
        >>> GuidedGradCAM().attribute(net, torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([0]))
        tensor([[[[1., 3.]]]])
    """

    layer: str | None = None
    precision: Precision = "fp32"
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        self._parts()

    def attribute(self, model: Model, inputs: Tensor, target: Target) -> Tensor:
        """Return the product, `(N, C, H, W)`.

        Raises:
            TypeError: As in `GradCAM.attribute`.
            ValueError: As in `GradCAM.attribute` and `GuidedBackprop.attribute`.
        """
        inputs, target = checked(inputs, target)
        coarse, fine = self._parts()
        with inside("GuidedGradCAM"):
            maps = coarse.attribute(model, inputs, target).sum(1, keepdim=True)
            return maps * fine.attribute(model, inputs, target)

    def _parts(self) -> tuple[GradCAM, GuidedBackprop]:
        return GradCAM(self.layer, self.precision, self.chunk_size), GuidedBackprop(self.precision, self.chunk_size)


def guided(model: Model) -> Model:
    """Return a model whose logits are the same, and whose every ReLU passes back only positive gradients.

    Args:
        model: Any callable that returns logits.

    Raises:
        ValueError: When it is called with gradients, as in `GuidedBackprop.attribute`.

    Example:
        >>> x = torch.tensor([1.0, 2.0, -3.0], requires_grad=True)
        >>> (guided(torch.relu)(x) * torch.tensor([1.0, -1.0, 1.0])).sum().backward()
        >>> x.grad
        tensor([1., 0., 0.])
    """
    if not callable(model) or isinstance(model, type):
        # refused where every model is
        return model
    # the wrapper's forward would send buffers between processes
    network: Model = model.module if isinstance(model, DistributedDataParallel) else model

    def guided_model(images: Tensor) -> Tensor:
        # compiled code hides its operations
        with torch.compiler.set_stance("force_eager"):
            output = read_output(network(images))
        # what gives no logits, or no gradient where there must be one, is refused where every model is
        if output.grad_fn is not None and output.ndim in (1, 2):
            _guide(nodes_behind(output.grad_fn), users_name(network))
        return output

    guided_model.__name__ = users_name(network)
    return guided_model


def _guide(nodes: list[Node], name: str) -> None:
    names = [node.name() for node in nodes]
    hidden = {what for part, what in HIDING.items() if any(part in each for each in names)}
    # a user's own function may be a rectifier of any kind
    own = {node.name().removesuffix("Backward") for node in nodes if BackwardCFunction in type(node).mro()}
    hidden |= set() if hidden else {f"the autograd function {each}" for each in own}
    if hidden:
        raise ValueError(
            f"Expected {name} to show its ReLUs for guided backpropagation, got {' and '.join(sorted(hidden))}."
        )
    others = {what for part, what in OTHER_RECTIFIERS.items() if any(each.startswith(part) for each in names)}
    if any(_is_clamped_at_zero(node) for node in nodes):
        others.add("clamp(min=0)")
    rectifiers = [node for node in nodes if node.name().startswith(RELU)]
    if others or not rectifiers:
        raise ValueError(
            f"Expected {name} to have ReLU and no other rectifier, for which guided backpropagation is not defined, "
            f"got {', '.join(sorted(others)) or 'none'}."
        )
    for node in rectifiers:
        # before the ReLU's own backward pass, which sets to zero what was not positive in the forward pass
        node.register_prehook(_positive)


def _is_clamped_at_zero(node: Node) -> bool:
    """Return whether a node is a ReLU spelled as a clamp: with both bounds, it keeps images in their range."""
    clamps = node.name().startswith(("ClampBackward", "ClampMinBackward"))
    return clamps and getattr(node, "_saved_min", None) == 0 and getattr(node, "_saved_max", None) is None


def _positive(gradients: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    # a gradient that nothing has reached is None, whatever its type says
    reached: tuple[Tensor | None, ...] = gradients
    return tuple(each if given is None else each.clamp(min=0) for each, given in zip(gradients, reached, strict=True))
