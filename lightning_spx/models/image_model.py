"""How an image in [0, 1] becomes logits: the one place that knows normalization, a model's input and its outputs."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import chain
from typing import Any, ClassVar, Literal, Self, get_args

import torch
from torch import Tensor, nn

from lightning_spx.guard import Prepared
from lightning_spx.guard.layer_names import find_layer, users_name
from lightning_spx.guard.model_output import OutputChoice, read_output
from lightning_spx.models.at_size import AtSize
from lightning_spx.models.model_input import call_with_images, input_keyword
from lightning_spx.models.placed_weights import PlacedWeights
from lightning_spx.models.preprocess import Preprocess, check_differentiable, chosen_preprocess
from lightning_spx.models.said_normalization import input_channels

Head = Literal["single_label", "multi_label", "scalar"]


class ImageModel(Prepared):
    """Maps images in [0, 1] to logits with any trained network: its normalization, its input, its weights, its head.

    Other weights (`with_weights`) are in place only while the model is evaluated, forward and backward, so the network
    needs no copy and is the same afterwards. Whatever it keeps besides weights and buffers (`get_extra_state`) is not
    replaced.

    Args:
        network: any module or callable; a LightningModule takes images as its `forward` does.
        mean: channel means of the images that the network was trained on, one number per channel or one for all. None
            takes what the network says (timm's configuration, the image processor beside a Hugging Face model), and
            images in [0, 1] as they are if it says nothing.
        std: channel standard deviations of these images.
        preprocess: a differentiable callable in the place of `mean` and `std`, such as `ZScore()`.
        image_size: side of the images that the network expects; None keeps the size of the images.
        output: what picks the logits out of the network's output: a name, a position or a function. None takes a
            tensor, the first entry of a tuple, or `logits`.
        input_name: the keyword of `forward` that takes images; None takes `pixel_values`, the first parameter, or one
            of the usual names.
        head: `single_label` returns logits of classes (N, K), or (N,) of a binary classifier with one output;
            `multi_label` returns one logit for each finding, (N, K); `scalar` returns one number per image, (N,).

    Raises:
        ValueError: `mean` and `std` do not fit each other or contradict what the network says, or come with
            `preprocess`.
        TypeError: the network cannot be called.

    Example:
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(1, 2, bias=False))
        >>> model = ImageModel(network, mean=(0.5,), std=(0.5,))
        >>> model.with_weights({"1.weight": torch.tensor([[1.0], [3.0]])})(torch.ones(1, 1, 1, 1)).tolist()
        [[1.0, 3.0]]
    """

    # layer names of the user begin below this part
    wrapped: ClassVar[str] = "network"

    def __init__(
        self,
        network: Callable[..., Any],
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        preprocess: Preprocess | None = None,
        image_size: int | None = None,
        output: OutputChoice | None = None,
        input_name: str | None = None,
        head: Head = "single_label",
    ) -> None:
        super().__init__()
        if head not in get_args(Head):
            raise ValueError(f"Expected `head` to be {', '.join(get_args(Head))}, got {head!r}.")
        if not callable(network):
            raise TypeError(f"Expected `network` to be a module or a callable, got {type(network).__name__}.")
        self.normalize = chosen_preprocess(network, mean, std, preprocess)
        self.network = network
        if image_size is not None and isinstance(network, nn.Module) and preprocess is None:
            # resizing a normalized image is, up to rounding, normalizing a resized one
            self.network = AtSize(network, image_size)
        elif image_size is not None:
            self.normalize = AtSize(self.normalize or nn.Identity(), image_size)
        self.output = output
        self.head: Head = head
        self.input_name = input_keyword(network, input_name)
        self._weights: PlacedWeights | None = None
        self._in_place = False

    @property
    def users_network(self) -> Callable[..., Any]:
        """Return the network that was given, without our resizing."""
        return self.network.network if isinstance(self.network, AtSize) else self.network

    @property
    def channels(self) -> int | None:
        """Return the number of channels of the network's first convolution; None without one."""
        network = self.users_network
        return input_channels(network) if isinstance(network, nn.Module) else None

    @property
    def dtype(self) -> torch.dtype:
        """Return the type of the network's first weight, which its inputs must have; float32 without any."""
        network = self.users_network
        own = network.parameters() if isinstance(network, nn.Module) else ()
        # skip single numbers: the scale of the logits may have another type than the layers that take the images
        return next((each.dtype for each in own if each.is_floating_point() and each.ndim > 0), torch.float32)

    @property
    def device(self) -> torch.device:
        """Return the device of the network's first parameter or buffer; the CPU without any."""
        first = next(chain(self.parameters(), self.buffers()), None)
        return torch.device("cpu") if first is None else first.device

    def with_weights(self, state: Mapping[str, Any] | None) -> Self:
        """Return the model with other weights and buffers in the place of the network's own; None keeps its own.

        Args:
            state: weights and buffers by their names in the network.

        Raises:
            ValueError: the state does not fit the network.
            TypeError: the network is a function, whose weights nobody knows.
        """
        network = self.users_network
        if state is not None and not isinstance(network, nn.Module):
            raise TypeError(f"Expected `network` to be a module for other weights, got {users_name(network)}.")
        other = copy.copy(self)
        other._modules = dict(self._modules)
        other._in_place = False
        other._weights = PlacedWeights(network, state) if state is not None and isinstance(network, nn.Module) else None
        return other

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """Put the other weights in place."""
        if self._weights is None or self._in_place:
            yield
            return
        self._in_place = True
        try:
            with self._weights.placed():
                yield
        finally:
            self._in_place = False

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, K) or (N,), by the head, for images (N, C, H, W) in [0, 1].

        Raises:
            TypeError: the network returns no logits.
            ValueError: the output does not fit the head, the channels do not fit `mean`, or `preprocess` breaks the
                gradient.
        """
        inputs = images
        if self.normalize is not None:
            inputs = self.normalize(images)
            check_differentiable(self.normalize, images, inputs)
        # a network trained in true half or double precision accepts only its own type
        with self.prepared():
            return logits_of(self.network, inputs.to(self.dtype), self.input_name, self.output, self.head)

    def features(self, images: Tensor, layer: str) -> object:
        """Return what a layer gives for images in [0, 1].

        Args:
            images: (N, C, H, W) in [0, 1].
            layer: name of the layer in the user's network.

        Raises:
            ValueError: there is no such layer, or it is not evaluated; the message lists near names.
        """
        found: list[object] = []
        handle = find_layer(self, layer).register_forward_hook(lambda module, inputs, output: found.append(output))
        try:
            self(images)
        finally:
            handle.remove()
        if not found:
            raise ValueError(f"Expected `layer` {layer!r} of {users_name(self)} to be evaluated, got no output.")
        return found[-1]

    def get_submodule(self, target: str) -> nn.Module:
        """Find a layer by its name in this wrapper, or else by its name in the user's network.

        Raises:
            AttributeError: there is no such layer.
        """
        try:
            return super().get_submodule(target)
        except AttributeError:
            network = self.users_network
            if not isinstance(network, nn.Module):
                raise
            return network.get_submodule(target)


def logits_of(
    network: Callable[..., Any], inputs: Tensor, keyword: str | None, output: OutputChoice | None, head: Head
) -> Tensor:
    """Return a network's logits for inputs that are normalized already.

    Args:
        network: the network.
        inputs: (N, C, H, W) as the network takes them.
        keyword: as `input_keyword` finds it.
        output: what picks the logits out of the output.
        head: the kind of head.

    Raises:
        TypeError: the network returns no logits.
        ValueError: the output does not fit the head.

    Example:
        >>> logits_of(nn.Flatten(), torch.ones(1, 1, 1, 2), None, None, "single_label")
        tensor([[1., 1.]])
    """
    return for_head(read_output(call_with_images(network, keyword, inputs), output), head, users_name(network))


def for_head(logits: Tensor, head: Head, name: str) -> Tensor:
    """Return logits in the shape of a head: (N, K), or (N,) for one output, but (N, K) for every multi-label head.

    Args:
        logits: what the network returned.
        head: the kind of head.
        name: of the network, for the error.

    Raises:
        ValueError: the shape does not fit the head.

    Example:
        >>> for_head(torch.zeros(2, 1), "single_label", "Net").shape
        torch.Size([2])
        >>> for_head(torch.zeros(2), "multi_label", "Net").shape
        torch.Size([2, 1])
    """
    one_column = logits.ndim == 2 and logits.shape[1] == 1
    if head == "multi_label":
        if logits.ndim == 1:
            return logits[:, None]
        if logits.ndim != 2:
            raise ValueError(
                f"Expected {name} to return one logit for each finding, (N, K), for `head` multi_label, got "
                f"{tuple(logits.shape)}."
            )
        return logits
    if head == "scalar" and logits.ndim != 1 and not one_column:
        raise ValueError(
            f"Expected {name} to return one number per image, (N,) or (N, 1), for `head` scalar, got "
            f"{tuple(logits.shape)}: set `head` to single_label or multi_label, or `output` to what picks the number."
        )
    # a single column is the one logit of a binary classifier
    return logits[:, 0] if one_column else logits


class EitherClass(Prepared):
    """Gives a classifier with one output z two logits: -z for class 0 and z for class 1.

    Example:
        >>> EitherClass(ImageModel(nn.Flatten(0)))(torch.ones(1, 1, 1, 1)).tolist()
        [[-1.0, 1.0]]
    """

    def __init__(self, model: ImageModel) -> None:
        super().__init__()
        self.model = model

    def prepared(self) -> AbstractContextManager[None]:
        """Put the model's other weights in place."""
        return self.model.prepared()

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, 2) for images (N, C, H, W) in [0, 1]."""
        output = self.model(images)
        return torch.stack([-output, output], 1)
