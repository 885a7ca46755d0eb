"""Attribution by perturbation: each segment of an image gets the value that replacing it shows it to have."""

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from lightning_spx.attribution.alone import Neighbors
from lightning_spx.attribution.by_segments import BySegments
from lightning_spx.attribution.chunks import check_chunk_size, in_chunks
from lightning_spx.attribution.finite import NonFiniteError
from lightning_spx.attribution.guards import Precision, check_precision, explaining
from lightning_spx.attribution.logits import checked_output, chosen_logits
from lightning_spx.attribution.memory import largest_chunk
from lightning_spx.attribution.method import Model, checked
from lightning_spx.attribution.path import checked_baseline, expanded_baseline
from lightning_spx.attribution.perturbation import Perturbation, number_of
from lightning_spx.attribution.shapley_values import KernelShap
from lightning_spx.attribution.targets import Target
from lightning_spx.superpixels import Segmenter, Slic
from lightning_spx.superpixels.only_segments import refuse_filters
from lightning_spx.superpixels.segmenter import check_segments


@dataclass(frozen=True)
class SegmentAttribution(BySegments):
    """A map that is constant on segments, by a perturbation method that evaluates images without some of them.

    It takes no gradients. Each image is perturbed alone, with its own segments and random numbers, and its copies are
    evaluated in chunks. The sum over the channels at a pixel is the value of its segment, in units of the logit and not
    divided by the segment's size. In tables it has the name of `method`.

    Args:
        method: `FeatureAblation`, `KernelShap`, `Lime` or `ShapleyValueSampling`, which captum computes.
        superpixels: The segmenter, which decides what values of the images it takes: those here take [0, 1].
        baseline: What replaces a segment: one value for all channels (default black) or one for each, such as the mean
            of the data set, in units of the image.
        precision: "fp32", also inside mixed-precision training, or "bf16" for bfloat16 autocast.
        chunk_size: Copies evaluated at once; None chooses by image size. The number is halved when memory runs out.

    Example:
        >>> from lightning_spx.attribution.feature_ablation import FeatureAblation
        >>> from lightning_spx.superpixels import Grid
        >>> method = SegmentAttribution(FeatureAblation(), Grid(2))
        >>> method.attribute(lambda x: 3 * x.flatten(1), torch.ones(1, 1, 1, 2), target=1)
        tensor([[[[0., 3.]]]])
    """

    named_by: ClassVar[str] = "method"

    method: Perturbation = field(default_factory=KernelShap)
    superpixels: Segmenter = field(default_factory=Slic)
    baseline: tuple[float, ...] = (0.0,)
    precision: Precision = "fp32"
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        if not isinstance(self.method, Perturbation):
            raise TypeError(f"Expected `method` to be a Perturbation, such as KernelShap(), got {self.method!r}.")
        refuse_filters(self.superpixels, "SegmentAttribution")
        if not isinstance(self.superpixels, Segmenter):
            raise TypeError(f"Expected `superpixels` to be a Segmenter, such as Slic(), got {self.superpixels!r}.")
        self.method.require_packages()
        # a list, as from YAML, would not equal the same settings from Python
        object.__setattr__(self, "baseline", checked_baseline(self.baseline))
        check_precision(self.precision)
        check_chunk_size(self.chunk_size)

    @property
    def segmenters(self) -> tuple[Segmenter, ...]:
        """The one segmenter."""
        return (self.superpixels,)

    def attribute_over(self, model: Model, inputs: Tensor, target: Target, segments: Tensor) -> Tensor:
        """Return the values of the given segments over the number of channels, `(N, C, H, W)`."""
        inputs, target = checked(inputs, target)
        labels = _label_maps(segments, inputs)
        start = torch.tensor(self.baseline, dtype=inputs.dtype, device=inputs.device)[:, None, None]
        baseline = expanded_baseline(start, inputs)
        name = f"SegmentAttribution({type(self.method).__name__})"
        alone = Neighbors(model, self.precision, at_once=True)

        def evaluate(points: Tensor, chosen: Tensor | None) -> Tensor:
            with explaining(model, points.device, self.precision) as network, torch.no_grad():
                # a copy, because a model may write to its input (`x.sub_(mean)`), which captum goes on to use
                # copies of one image may all have logits between 0 and 1, so that no warning asks for probabilities
                logits = chosen_logits(checked_output(network, points.clone()), chosen)
            alone.look(points, chosen, logits)
            return logits

        # masks and random numbers are made on the CPU: the same on every device, by no operation that a GPU refuses
        def logit(image: int, points: Tensor) -> Tensor:
            rows = in_chunks(name, evaluate, [(image, points.to(inputs.device))], target, self.chunk_size)
            return torch.cat([logits for _, logits in rows]).cpu()

        result = torch.zeros_like(inputs, dtype=torch.float32)
        for image, ids in enumerate(labels):
            here = slice(image, image + 1)
            with torch.no_grad():
                values = self.method.values(
                    partial(logit, image),
                    inputs[here].to("cpu", copy=True),
                    baseline[here].to("cpu", copy=True),
                    ids.cpu()[None, None],
                    self.chunk_size or largest_chunk(inputs[image]),
                )
            shapes = (number_of(ids),), tuple(values.shape)
            if shapes[0] != shapes[1]:
                raise ValueError(f"Expected {name} to give each segment a value, shape {shapes[0]}, got {shapes[1]}.")
            given: object = values
            if not isinstance(given, Tensor) or given.shape != (int(ids.max()) + 1,):
                got = tuple(given.shape) if isinstance(given, Tensor) else type(given).__name__
                raise ValueError(
                    f"Expected {type(self.method).__name__} to return a tensor with one value for each of "
                    f"{int(ids.max()) + 1} segments, got {got}."
                )
            if not bool(values.isfinite().all()):
                raise NonFiniteError(name, "attribution", [image])
            result[image] = (values / inputs.shape[1]).float().to(inputs.device)[ids]
        return result


def _label_maps(segments: Tensor, inputs: Tensor) -> Tensor:
    """Return the segments as `(N, H, W)` on the device of the inputs, or raise a ValueError."""
    given: object = segments
    labels = segments[:, 0] if isinstance(given, Tensor) and given.ndim == 4 and given.shape[1] == 1 else segments
    check_segments(labels)
    wanted = (len(inputs), *inputs.shape[2:])
    if labels.shape != wanted:
        raise ValueError(f"Expected `segments` of shape {wanted} for these inputs, got {tuple(segments.shape)}.")
    return labels.to(inputs.device)
