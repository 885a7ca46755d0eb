"""Defines what a method that explains by segments of its own is, and so has controls of its own."""

from abc import abstractmethod

import torch
from torch import Tensor

from lightning_spx.attribution.finite import NonFiniteError, require_finite
from lightning_spx.attribution.method import Attribution, Model, checked
from lightning_spx.attribution.targets import Target
from lightning_spx.superpixels import Segmenter
from lightning_spx.superpixels.only_segments import refuse_filters


class BySegments(Attribution):
    """A method that gives each segment a value, so that its maps depend on segments as well as on the model.

    A study explains the same model by the same method over other segments too (a grid, Voronoi cells, those of another
    image): what these reach as well is smoothing.

    Example:
        >>> class Means(BySegments):
        ...     @property
        ...     def segmenters(self):
        ...         return (lambda images: (images[:, 0] > 0.5).long(),)
        ...     def attribute_over(self, model, inputs, target, segments):
        ...         return inputs.detach().float() * segments
        >>> Means().attribute(lambda x: x.flatten(1), torch.tensor([[[[0.25, 1.0]]]]), torch.tensor([0]))
        tensor([[[[0., 1.]]]])
    """

    @property
    @abstractmethod
    def segmenters(self) -> tuple[Segmenter, ...]:
        """The method's segmenters, in the order of the label maps that `attribute_over` takes."""

    @abstractmethod
    def attribute_over(self, model: Model, inputs: Tensor, target: Target, segments: Tensor) -> Tensor:
        """Explain the raw logit of `target` over given segments.

        Args:
            model: As in `Attribution.attribute`.
            inputs: Floating point images, `(N, C, H, W)`.
            target: As in `Attribution.attribute`.
            segments: `(N, L, H, W)` int64, a label map of each of the L segmenters, ids `0..S-1` without gaps; for a
                method with one segmenter also `(N, H, W)`.

        Returns:
            As `Attribution.attribute`.

        Raises:
            TypeError: As in `Attribution.attribute`.
            ValueError: As in `Attribution.attribute`, and if `segments` do not fit the inputs.
        """

    def attribute(self, model: Model, inputs: Tensor, target: Target) -> Tensor:
        """Segment the images, which must be in [0, 1], and explain the raw logit of `target` over the segments.

        Raises:
            TypeError: A filter stands in the place of a segmenter, and as in `Attribution.attribute`.
        """
        images, _ = checked(inputs, target)
        try:
            require_finite(images, "image")
        except NonFiniteError as error:
            # a segmenter would refuse them too, and name no image
            raise NonFiniteError(type(self).__name__, error.what, error.images) from None
        refuse_filters(self.segmenters, type(self).__name__)
        maps = [_segments_by(segmenter, images) for segmenter in self.segmenters]
        if not maps:
            raise ValueError(f"Expected {type(self).__name__} to have at least one segmenter, got none.")
        return self.attribute_over(model, inputs, target, torch.stack(maps, dim=1))


def _segments_by(segmenter: Segmenter, images: Tensor) -> Tensor:
    segments: object = segmenter(images)
    name, wanted = type(segmenter).__name__, (len(images), *images.shape[2:])
    if not isinstance(segments, Tensor) or segments.shape != wanted:
        got = tuple(segments.shape) if isinstance(segments, Tensor) else type(segments).__name__
        raise ValueError(f"Expected {name} to return segments of shape {wanted} as a tensor, got {got}.")
    return segments
