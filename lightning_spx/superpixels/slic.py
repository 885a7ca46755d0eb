"""SLIC super-pixels."""

from dataclasses import dataclass
from functools import partial

from skimage.segmentation import slic
from torch import Tensor

from lightning_spx.superpixels.per_image import segment_each
from lightning_spx.superpixels.segmenter import Segmenter
from lightning_spx.superpixels.setting import check_at_least


@dataclass(frozen=True)
class Slic(Segmenter):
    """SLIC: k-means of colour (CIELAB) and place, started on a regular grid; every segment is 4-connected.

    Source: Achanta et al., "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods", TPAMI 2012, with the
    settings and meanings of `skimage.segmentation.slic`.

    Args:
        n_segments: Number of segments asked for. The result has about as many, rarely exactly, and on noise or with a
            small `compactness` far fewer: see `num_segments` for the count of an image.
        compactness: Weight of place against colour: larger gives squarer segments. Common values: 0.1 to 100.
        sigma: Standard deviation in pixels of the Gaussian that smooths the image first; 0 for none.
        max_num_iter: Number of iterations of k-means.

    Raises:
        ValueError: If `n_segments` or `max_num_iter` is below 1, `compactness` not positive or `sigma` negative.

    Example:
        >>> import torch
        >>> image = torch.zeros(1, 3, 4, 8)
        >>> image[..., 4:] = 1
        >>> Slic(n_segments=2)(image)
        tensor([[[0, 0, 0, 0, 1, 1, 1, 1],
                 [0, 0, 0, 0, 1, 1, 1, 1],
                 [0, 0, 0, 0, 1, 1, 1, 1],
                 [0, 0, 0, 0, 1, 1, 1, 1]]])
    """

    n_segments: int = 100
    compactness: float = 10.0
    sigma: float = 0.0
    max_num_iter: int = 10

    def __post_init__(self) -> None:
        """Check the settings."""
        check_at_least("n_segments", self.n_segments, minimum=1)
        check_at_least("compactness", self.compactness, minimum=0)
        check_at_least("sigma", self.sigma, minimum=0)
        check_at_least("max_num_iter", self.max_num_iter, minimum=1)
        if self.compactness == 0:
            raise ValueError("Expected `compactness` to be positive, got 0.")

    def __call__(self, images: Tensor) -> Tensor:
        """Return the SLIC segments of each image.

        Args:
            images: `(N, 3, H, W)`, RGB in [0, 1].

        Returns:
            `(N, H, W)` int64 on the images' device, ids `0..S-1` without gaps in each image.

        Raises:
            TypeError: If `images` is not floating point.
            ValueError: If `images` are not RGB in [0, 1].
        """
        segment = partial(
            slic,
            n_segments=self.n_segments,
            compactness=self.compactness,
            sigma=self.sigma,
            max_num_iter=self.max_num_iter,
            start_label=0,
            channel_axis=-1,
        )
        return segment_each(images, segment)
