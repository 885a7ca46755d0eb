"""Felzenszwalb, quickshift, watershed and SLIC super-pixels of scikit-image."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2gray
from skimage.filters import sobel
from skimage.segmentation import felzenszwalb, quickshift, slic, watershed
from torch import Tensor

from lightning_spx.superpixels.image_forms import of_any_form
from lightning_spx.superpixels.per_image import segment_each
from lightning_spx.superpixels.segmenter import Segmenter, check_images
from lightning_spx.superpixels.setting import check_at_least, check_positive


@dataclass(frozen=True)
class Felzenszwalb(Segmenter):
    """Graph-based segments: neighbors merge while their difference is small against the differences inside them.

    Source: Felzenszwalb and Huttenlocher, "Efficient Graph-Based Image Segmentation", IJCV 2004, with the settings
    and meanings of `skimage.segmentation.felzenszwalb`. Segments are 8-connected. Sizes vary widely within an image,
    and a constant image is one segment.

    Args:
        scale: Larger gives fewer, larger segments; nothing else sets their number.
        sigma: Standard deviation in pixels of the Gaussian that smooths the image first.
        min_size: Smallest segment in pixels; smaller ones are merged with a neighbor.

    Raises:
        ValueError: If `scale` or `sigma` is negative or `min_size` below 1.

    Example:
        >>> import torch
        >>> image = torch.zeros(1, 3, 2, 6)
        >>> image[..., 3:] = 1
        >>> Felzenszwalb(scale=1, sigma=0, min_size=1)(image)
        tensor([[[0, 0, 0, 1, 1, 1],
                 [0, 0, 0, 1, 1, 1]]])
    """

    scale: float = 100.0
    sigma: float = 0.5
    min_size: int = 50

    def __post_init__(self) -> None:
        """Check the settings."""
        check_at_least("scale", self.scale, minimum=0)
        check_at_least("sigma", self.sigma, minimum=0)
        check_at_least("min_size", self.min_size, minimum=1)

    @of_any_form
    def __call__(self, images: Tensor) -> Tensor:
        """Return the Felzenszwalb segments of each image.

        Args:
            images: `(N, 3, H, W)`, RGB in [0, 1].

        Returns:
            `(N, H, W)` int64 on the images' device, ids `0..S-1` without gaps in each image.

        Raises:
            TypeError: If `images` is not floating point.
            ValueError: If `images` are not RGB in [0, 1].
        """
        segment = partial(felzenszwalb, scale=self.scale, sigma=self.sigma, min_size=self.min_size, channel_axis=-1)
        return segment_each(images, segment)


@dataclass(frozen=True)
class Quickshift(Segmenter):
    """Mode-seeking segments: each pixel joins the nearest one of higher density in color (CIELAB) and place.

    Source: Vedaldi and Soatto, "Quick Shift and Kernel Methods for Mode Seeking", ECCV 2008, with the settings and
    meanings of `skimage.segmentation.quickshift`. Segments need not be connected.

    Args:
        ratio: Weight of color against place, in [0, 1].
        kernel_size: Width in pixels of the Gaussian that estimates the density: larger gives fewer segments.
        max_dist: Largest distance over which a pixel joins another: larger gives fewer segments.
        sigma: Standard deviation in pixels of the Gaussian that smooths the image first; 0 for none.

    Raises:
        ValueError: If `ratio` leaves [0, 1], `kernel_size` is below 1, or `max_dist` or `sigma` is negative.

    Example:
        >>> import torch
        >>> image = torch.zeros(1, 3, 2, 6)
        >>> image[..., 3:] = 1
        >>> Quickshift()(image)
        tensor([[[0, 0, 0, 1, 1, 1],
                 [0, 0, 0, 1, 1, 1]]])
    """

    ratio: float = 0.5
    kernel_size: float = 3.0
    max_dist: float = 6.0
    sigma: float = 0.0

    def __post_init__(self) -> None:
        """Check the settings."""
        check_at_least("ratio", self.ratio, minimum=0)
        check_at_least("kernel_size", self.kernel_size, minimum=1)
        check_at_least("max_dist", self.max_dist, minimum=0)
        check_at_least("sigma", self.sigma, minimum=0)
        if self.ratio > 1:
            raise ValueError(f"Expected `ratio` to be at most 1, got {self.ratio}.")

    @of_any_form
    def __call__(self, images: Tensor) -> Tensor:
        """Return the quickshift segments of each image.

        Args:
            images: `(N, 3, H, W)`, RGB in [0, 1].

        Returns:
            `(N, H, W)` int64 on the images' device, ids `0..S-1` without gaps in each image.

        Raises:
            TypeError: If `images` is not floating point.
            ValueError: If `images` are not RGB in [0, 1].
        """
        segment = partial(
            quickshift,
            ratio=self.ratio,
            kernel_size=self.kernel_size,
            max_dist=self.max_dist,
            sigma=self.sigma,
            rng=42,  # breaks ties in scikit-image; fixed here, so that a new default there changes nothing
            channel_axis=-1,
        )
        return segment_each(images, segment)


@dataclass(frozen=True)
class Watershed(Segmenter):
    """Compact watershed: the gradient of the gray image, flooded from a regular grid; segments are 4-connected.

    Source: Neubert and Protzel, "Compact Watershed and Preemptive SLIC", ICPR 2014, with the settings and meanings of
    `skimage.segmentation.watershed` on the Sobel magnitude of `skimage.color.rgb2gray`.

    Args:
        markers: Number of grid points requested. The grid is square, so the result often has a few more.
        compactness: Larger gives more regular segments; 0 is the plain watershed.

    Raises:
        ValueError: If `markers` is below 1 or `compactness` negative.

    Example:
        >>> import torch
        >>> Watershed(markers=4)(torch.full((1, 3, 4, 4), 0.5)).unique()
        tensor([0, 1, 2, 3])
    """

    markers: int = 100
    compactness: float = 0.001

    def __post_init__(self) -> None:
        """Check the settings."""
        check_at_least("markers", self.markers, minimum=1)
        check_at_least("compactness", self.compactness, minimum=0)

    @of_any_form
    def __call__(self, images: Tensor) -> Tensor:
        """Return the watershed segments of each image.

        Args:
            images: `(N, 3, H, W)`, RGB in [0, 1].

        Returns:
            `(N, H, W)` int64 on the images' device, ids `0..S-1` without gaps in each image.

        Raises:
            TypeError: If `images` is not floating point.
            ValueError: If `images` are not RGB in [0, 1].
        """
        flood = partial(watershed, markers=self.markers, compactness=self.compactness)
        gradient: Callable[[NDArray[np.float32]], NDArray[np.float32]] = sobel
        return segment_each(images, lambda image: flood(gradient(rgb2gray(image))))


@dataclass(frozen=True)
class ScikitSlic(Segmenter):
    """SLIC of scikit-image, one image at a time on the CPU: the reference for `Slic`.

    Source: Achanta et al., "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods", TPAMI 2012, with the
    settings and meanings of `skimage.segmentation.slic`. Segments are 4-connected.

    Any number of channels will do, and they mean what they do for `Slic`: three are RGB and compared in CIELAB, a gray
    one has the segments of the RGB image that repeats it, and two or more than three are compared by their Euclidean
    distance, each from 0 to 100. scikit-image compares them from 0 to 1, so it gets a hundredth of the `compactness`.

    Args:
        n_segments: Number of segments requested; the result has about as many, rarely exactly.
        compactness: Weight of place against color: larger gives squarer segments.
        sigma: Standard deviation in pixels of the Gaussian that smooths the image first; 0 for none.
        max_num_iter: Number of iterations of k-means.
        min_size_factor: Fragments below this fraction of a segment's expected size join a neighbor.

    Raises:
        ValueError: If `n_segments` or `max_num_iter` is below 1, `compactness` not positive, or `sigma` or
            `min_size_factor` negative.

    Example:
        >>> import torch
        >>> image = torch.zeros(1, 3, 2, 6)
        >>> image[..., 3:] = 1
        >>> ScikitSlic(n_segments=2)(image)
        tensor([[[0, 0, 0, 1, 1, 1],
                 [0, 0, 0, 1, 1, 1]]])
    """

    channels: ClassVar[int | None] = None

    n_segments: int = 100
    compactness: float = 10.0
    sigma: float = 0.0
    max_num_iter: int = 10
    min_size_factor: float = 0.5

    def __post_init__(self) -> None:
        """Check the settings."""
        check_at_least("n_segments", self.n_segments, minimum=1)
        check_positive("compactness", self.compactness)
        check_at_least("sigma", self.sigma, minimum=0)
        check_at_least("max_num_iter", self.max_num_iter, minimum=1)
        check_at_least("min_size_factor", self.min_size_factor, minimum=0)

    @of_any_form
    def __call__(self, images: Tensor) -> Tensor:
        """Return the SLIC segments of each image.

        Args:
            images: `(N, C, H, W)` in [0, 1], of any number of channels.

        Returns:
            `(N, H, W)` int64 on the images' device, ids `0..S-1` without gaps in each image.

        Raises:
            TypeError: If `images` is not floating point.
            ValueError: If `images` do not have that shape or leave [0, 1].
        """
        check_images(images, self.channels)
        if images.shape[1] == 1:
            images = images.expand(-1, 3, -1, -1)
        is_rgb = images.shape[1] == 3
        segment = partial(
            slic,
            n_segments=self.n_segments,
            compactness=self.compactness if is_rgb else self.compactness / 100,
            sigma=self.sigma,
            max_num_iter=self.max_num_iter,
            min_size_factor=self.min_size_factor,
            start_label=0,
            convert2lab=is_rgb,
            channel_axis=-1,
        )
        return segment_each(images, segment, self.channels)
