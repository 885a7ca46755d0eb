"""Occlusion: how much a logit falls when a window over the image is covered."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_spx.attribution.alone import Neighbors
from lightning_spx.attribution.chunks import check_chunk_size, check_integer, in_chunks
from lightning_spx.attribution.guards import Precision, check_precision, explaining
from lightning_spx.attribution.logits import checked_output, chosen_logits
from lightning_spx.attribution.method import Attribution, Model, checked
from lightning_spx.attribution.path import POINTS_AT_ONCE, checked_baseline, expanded_baseline
from lightning_spx.attribution.targets import Target


@dataclass(frozen=True)
class Occlusion(Attribution):
    """The mean fall of the logit over all windows that cover a pixel, when such a window is replaced by a baseline.

    Windows begin at every `stride`-th pixel; the last of a row or column may stand over the border. The result is that
    of captum's `Occlusion` with windows over all channels, divided by the number of channels: every channel gets the
    map divided by that number, so that the sum over channels is the map.

    It costs one forward pass for each window and one for the image, and no gradients.

    Source: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, section 4.2.

    Args:
        window: Side of the square window in pixels, at most that of the image.
        stride: Pixels between two windows, at most `window`, so that every pixel is covered.
        baseline: What takes the place of the image: one value for all channels (default black) or one for each, such as
            the mean of the data set, in units of the image.
        precision: "fp32", also inside mixed-precision training, or "bf16" for bfloat16 autocast.
        chunk_size: Covered images evaluated at once; None chooses by their size. The number is halved when memory runs
            out.

    Example:
        >>> Occlusion(window=1, stride=1).attribute(lambda x: 3 * x.flatten(1), torch.ones(1, 1, 1, 2), target=1)
        tensor([[[[0., 3.]]]])
    """

    window: int = 8
    stride: int = 4
    baseline: tuple[float, ...] = (0.0,)
    precision: Precision = "fp32"
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        for name in ("window", "stride"):
            check_integer(name, getattr(self, name))
            if getattr(self, name) < 1:
                raise ValueError(f"Expected `{name}` to be positive, got {getattr(self, name)}.")
        if self.stride > self.window:
            raise ValueError(
                f"Expected `stride` to be at most `window` = {self.window}, so that every pixel is covered, got "
                f"{self.stride}."
            )
        # a list, as from YAML, would not equal the same settings from Python
        object.__setattr__(self, "baseline", checked_baseline(self.baseline))
        check_precision(self.precision)
        check_chunk_size(self.chunk_size)

    def attribute(self, model: Model, inputs: Tensor, target: Target) -> Tensor:
        """Return the mean fall of the logit, `(N, C, H, W)`, equal in all channels.

        Raises:
            TypeError: As in `Attribution.attribute`.
            ValueError: As in `Attribution.attribute`, if `window` is larger than the images or `baseline` has not one
                value or one for each channel.
        """
        inputs, target = checked(inputs, target)
        fill = torch.tensor(self.baseline, dtype=inputs.dtype, device=inputs.device)[:, None, None]
        hidden = expanded_baseline(fill, inputs)
        if self.window > min(inputs.shape[2:]):
            height, width = inputs.shape[2:]
            raise ValueError(f"Expected `window` to fit into images of {height}x{width} pixels, got {self.window}.")
        down, right = self._covering(inputs, 2), self._covering(inputs, 3)
        # every row of windows, window after window
        pairs = torch.cartesian_prod(torch.arange(len(down)), torch.arange(len(right))).to(inputs.device)
        alone = Neighbors(model, self.precision, at_once=inputs.device.type == "cpu")

        def covered(few: Tensor) -> Tensor:
            return (down[few[:, 0], :, None] & right[few[:, 1], None, :])[:, None]

        def points() -> Iterator[tuple[int, Tensor]]:
            for position, image in enumerate(inputs):
                yield position, image[None]
                for few in torch.split(pairs, POINTS_AT_ONCE):
                    yield position, torch.where(covered(few), hidden[position], image)

        def evaluate(images: Tensor, chosen: Tensor | None) -> Tensor:
            with explaining(model, images.device, self.precision) as network, torch.no_grad():
                # copies of one image may all have logits between 0 and 1, so that no warning asks for probabilities
                logits = chosen_logits(checked_output(network, images.clone()), chosen)
            alone.look(images, chosen, logits)
            return logits

        total = torch.zeros_like(inputs[:, :1])
        whole, done = inputs.new_zeros(()), 0
        for image, logits in in_chunks("Occlusion", evaluate, points(), target, self.chunk_size):
            rows = logits
            if not done:
                # the first of an image is the image itself
                whole, rows = logits[0], logits[1:]
            few = pairs[max(0, done - 1) : done - 1 + len(logits)]
            total[image] += ((whole - rows)[:, None, None, None] * covered(few)).sum(0)
            done = (done + len(logits)) % (1 + len(pairs))
        alone.finish()
        times = down.sum(0)[:, None] * right.sum(0)
        return (total / times / inputs.shape[1]).float().expand_as(inputs).clone()

    def _covering(self, inputs: Tensor, axis: int) -> Tensor:
        """Return which rows, or columns, the windows cover at each of their places, `(places, H)` or `(places, W)`."""
        size = inputs.shape[axis]
        places = 1 + -(-(size - self.window) // self.stride)
        first = self.stride * torch.arange(places, device=inputs.device)[:, None]
        pixels = torch.arange(size, device=inputs.device)
        return (pixels >= first) & (pixels < first + self.window)
