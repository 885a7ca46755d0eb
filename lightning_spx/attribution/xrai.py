"""XRAI: regions in the order in which they hold the most attribution per pixel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lightning_spx.attribution.by_segments import BySegments
from lightning_spx.attribution.chunks import check_integer
from lightning_spx.attribution.finite import inside
from lightning_spx.attribution.mean import MeanAttribution
from lightning_spx.attribution.method import Attribution, Model, checked
from lightning_spx.attribution.path import IntegratedGradients
from lightning_spx.attribution.targets import Target
from lightning_spx.attribution.xrai_regions import MIN_NEW_PIXELS, Regions, region_map, regions_of
from lightning_spx.superpixels.only_segments import refuse_filters
from lightning_spx.superpixels.scikit import Felzenszwalb
from lightning_spx.superpixels.segmenter import Segmenter, check_segments

# half of the published 50 to 1200: these are for images from -1 to 1, where all differences are twice those in [0, 1]
SCALES = (25.0, 50.0, 75.0, 125.0, 250.0, 600.0)


def published_segmenters() -> tuple[Segmenter, ...]:
    """Return the published segmentations of XRAI for images in [0, 1].

    Example:
        >>> [segmenter.scale for segmenter in published_segmenters()]
        [25.0, 50.0, 75.0, 125.0, 250.0, 600.0]
    """
    return tuple(Felzenszwalb(scale, sigma=0.8, min_size=150) for scale in SCALES)


def black_and_white() -> MeanAttribution:
    """Return the mean of integrated gradients from a black and from a white image."""
    return MeanAttribution((IntegratedGradients(), IntegratedGradients(baseline=(1.0,))))


@dataclass(frozen=True)
class XRAI(BySegments):
    """The mean attribution of regions, chosen one after the other from overlapping segmentations.

    The region whose new pixels have the highest mean attribution comes first and gives them this value: see
    `region_map`. The smallest value of each map is then subtracted, because absolute values are taken of maps later,
    which would make the least important regions, those below zero, important ones. A map has no channels: each gets
    `map / C`, so that their sum is the map.

    Source: Kapishnikov et al., XRAI: Better Attributions Through Regions, ICCV 2019, algorithm 1.

    The package `saliency` of the authors differs in three ways. It stretches each image to [-1, 1] and scales it to
    224 x 224 pixels before it segments it with `scale` 50 to 1200; an image of this size that reaches from 0 to 1 has
    the same segments here, where `scale` is half of that. Its integrated gradients start at the smallest and the
    largest value of each image, not at 0 and 1, and take 100 even steps, not 50 Gauss-Legendre nodes. And it does not
    shift its maps.

    Args:
        superpixels: The segmentations, at least one; all their segments are regions. None for the six published ones.
        base: The method whose attribution is ranked; it sets precision and chunk size. Of its channels the largest
            value at each pixel counts. None for the mean of `IntegratedGradients` from black and from white.
        dilation: Radius in pixels of the disk by which segments are widened; 0 for none.
        min_new_pixels: A region with fewer pixels that are not yet chosen is left out. The default is for images of
            224 x 224 pixels, of which it is a thousandth.

    Raises:
        TypeError: If `superpixels` is no tuple or list of segmenters, `base` no method, or a number no integer.
        ValueError: If there is no segmenter, `dilation` is negative or `min_new_pixels` below 1.

    Example:
        >>> from lightning_spx.attribution import InputXGradient
        >>> from lightning_spx.superpixels import Grid
        >>> method = XRAI((Grid(n_segments=2),), InputXGradient(), dilation=0, min_new_pixels=1)
        >>> image = torch.tensor([[[[0.25, 0.75, 0.0, 0.5]]]])
        >>> method.attribute(lambda x: 4 * x.mean((2, 3)), image, torch.tensor([0]))
        tensor([[[[0.2500, 0.2500, 0.0000, 0.0000]]]])
    """

    non_negative: ClassVar[bool] = True

    # None and not the objects themselves, because a configuration cannot write objects inside of tuples
    superpixels: tuple[Segmenter, ...] | None = None
    base: Attribution | None = None
    dilation: int = 5
    min_new_pixels: int = MIN_NEW_PIXELS

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.superpixels is None:
            object.__setattr__(self, "superpixels", published_segmenters())
        if self.base is None:
            object.__setattr__(self, "base", black_and_white())
        given: object = self.superpixels
        refuse_filters(given, "XRAI")
        if not isinstance(given, tuple | list) or not all(isinstance(each, Segmenter) for each in given):
            raise TypeError(f"Expected `superpixels` to be a tuple of segmenters, such as (Slic(),), got {given!r}.")
        if not given:
            raise ValueError("Expected `superpixels` to hold at least one segmenter, got none.")
        # a list, as from YAML, would not equal the same settings from Python
        object.__setattr__(self, "superpixels", tuple(given))
        if not isinstance(self.base, Attribution):
            raise TypeError(f"Expected `base` to be an Attribution, such as Gradient(), got {self.base!r}.")
        for name, value, least in (("dilation", self.dilation, 0), ("min_new_pixels", self.min_new_pixels, 1)):
            check_integer(name, value)
            if value < least:
                raise ValueError(f"Expected `{name}` to be at least {least}, got {value}.")

    @property
    def segmenters(self) -> tuple[Segmenter, ...]:
        """The method's segmenters, in the order of the label maps that `attribute_over` takes."""
        return self.superpixels or published_segmenters()

    @property
    def ranked_method(self) -> Attribution:
        """The method whose attribution is ranked."""
        return self.base or black_and_white()

    def attribute_over(self, model: Model, inputs: Tensor, target: Target, segments: Tensor) -> Tensor:
        """Return the shifted map of each image divided by the number of channels, `(N, C, H, W)`, not negative."""
        inputs, target = checked(inputs, target)
        regions = [regions_of(each, self.dilation) for each in self._fitting(segments, inputs)]
        with inside("XRAI"):
            attribution = self.ranked_method.attribute(model, inputs, target)
        maps = self.rank(attribution[None], regions)[0]
        return maps[:, None].expand_as(inputs) / inputs.shape[1]

    def rank(self, attribution: Tensor, regions: Sequence[Regions]) -> Tensor:
        """Return the shifted maps of several attributions of the same images, such as those of several models.

        Args:
            attribution: Signed values, `(M, n, C, H, W)` floating point: M attributions of each of n images.
            regions: The regions of each of the n images, as `regions_of` gives them.

        Returns:
            `(M, n, H, W)` float32 or better, with smallest value 0 in each map.

        Raises:
            TypeError: If `attribution` is not floating point.
            ValueError: If a shape does not fit, or a value is NaN or infinite.
        """
        if attribution.ndim != 5 or attribution.shape[1] != len(regions) or not attribution.shape[2]:
            raise ValueError(
                f"Expected `attribution` of shape (M, {len(regions)}, C, H, W), as there are regions of {len(regions)} "
                f"images, got {tuple(attribution.shape)}."
            )
        # as in the package: a pixel is as important as its most important channel
        values = attribution.amax(2)
        maps = torch.empty_like(values, dtype=torch.promote_types(values.dtype, torch.float32))
        for image, each in enumerate(regions):
            maps[:, image] = region_map(values[:, image], each, self.min_new_pixels)
        return maps - maps.amin((2, 3), keepdim=True)

    def _fitting(self, segments: Tensor, inputs: Tensor) -> Tensor:
        """Return checked segments `(N, L, H, W)`."""
        num_maps = len(self.segmenters)
        if isinstance(segments, Tensor) and segments.ndim == 3 and num_maps == 1:
            segments = segments[:, None]
        wanted = (len(inputs), num_maps, *inputs.shape[2:])
        if not isinstance(segments, Tensor) or segments.shape != wanted:
            got = tuple(segments.shape) if isinstance(segments, Tensor) else type(segments).__name__
            raise ValueError(f"Expected `segments` of shape {wanted}, a label map of each segmenter, got {got}.")
        for each in segments.unbind(1):
            # one segmenter at a time, so that the message counts images
            check_segments(each)
        return segments
