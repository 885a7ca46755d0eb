"""SLIC super-pixels for a whole batch, on the images' device."""

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.guard.where_numba_is import WhereNumbaIs
from lightning_spx.superpixels.blur import gaussian_matrices
from lightning_spx.superpixels.cells import CellGrid, nearest_cells
from lightning_spx.superpixels.cielab import STEPS, cielab
from lightning_spx.superpixels.connectivity import connected
from lightning_spx.superpixels.image_forms import of_any_form
from lightning_spx.superpixels.image_key import eight_bit
from lightning_spx.superpixels.segmenter import Segmenter
from lightning_spx.superpixels.setting import check_at_least, check_positive

# a pixel of three channels takes about 250 bytes while it is processed; on a CPU one image at a time stays in the cache
PIXELS_AT_ONCE = 2**22
# levels of an 8-bit channel for each of the hundred units in which channels are compared, as lightness is
LEVELS_PER_UNIT = 2.55


@dataclass(frozen=True)
class Slic(Segmenter):
    """SLIC: k-means of color (CIELAB) and place, started on a regular grid; every segment is 4-connected.

    Settings mean the same as in `skimage.segmentation.slic` (`ScikitSlic` here), with two differences: a pixel compares
    the centers of the 3x3 grid cells around it, instead of each center searching a window, and a fragment joins its
    largest neighbor instead of the previous one. The image is rounded to 8 bits first.

    Any number of channels will do. Three are RGB and compared in CIELAB; a gray one has the segments of the RGB image
    that repeats it. Two, or more than three, are compared as they are, by their Euclidean distance, each from 0 to 100
    as the lightness of CIELAB is: what `skimage.segmentation.slic(convert2lab=False)` does with a hundredth of the
    `compactness`. More channels differ by more, so a larger `compactness` suits them.

    It runs on the images' device for all images at once: on a GPU with kernels if `triton` is installed (it comes with
    torch on Linux), on a CPU compiled by `numba` (a dependency wherever it has wheels), and otherwise with tensor
    operations. All three ways give the same segments. The kernels are for RGB and gray, so other images use tensor
    operations on a GPU.

    Source: Achanta et al., "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods", TPAMI 2012; on a grid of
    cells as in Ren, Prisacariu and Reid, "gSLICr: SLIC superpixels at over 250Hz", 2015.

    Args:
        n_segments: Number of segments requested. The result has about as many, rarely exactly, and far fewer on noise
            or with a small `compactness`: `num_segments` counts those of an image.
        compactness: Weight of place against color: larger gives squarer segments. Common values: 0.1 to 100.
        sigma: Standard deviation in pixels of the Gaussian that smooths the image first; 0 for none.
        max_num_iter: Largest number of k-means iterations; fewer run only if nothing changes any more.
        min_size_factor: Fragments below this fraction of a cell's pixels join a neighbor.

    Raises:
        ValueError: If `n_segments` or `max_num_iter` is below 1, `compactness` not positive, or `sigma` or
            `min_size_factor` negative.

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
            images: `(N, C, H, W)` in [0, 1], of any number of channels and any floating point type.

        Returns:
            `(N, H, W)` int64 on the images' device, ids `0..S-1` without gaps in each image.

        Raises:
            TypeError: If `images` is not floating point.
            ValueError: If `images` do not have that shape or leave [0, 1].
        """
        pixels = eight_bit(images)
        if not len(pixels):
            return torch.zeros_like(pixels[:, 0], dtype=torch.int64)
        if self.sigma > 0:
            pixels = (_smoothed(images, self.sigma) * 255).round().to(torch.uint8)
        pixels = _gray_as_rgb(pixels)
        (channels, height, width), on_cpu = pixels.shape[1:], images.device.type == "cpu"
        compiled = _compiled() if on_cpu else None
        if compiled is None:
            parts = torch.split(pixels, 1 if on_cpu else max(1, 3 * PIXELS_AT_ONCE // pixels[0].numel()))
            kernels = _kernels() if images.device.type == "cuda" and channels == 3 else None
            return self._by_kernels(kernels, parts) if kernels else torch.cat([self.segment(part) for part in parts])
        grid, weight, min_size = self._scaled(height, width, channels)
        one = partial(
            compiled,
            rows=grid.rows,
            columns=grid.columns,
            weight=weight,
            max_num_iter=self.max_num_iter,
            min_size=min_size,
        )
        # the compiled code releases the interpreter lock; a DataLoader's worker has one thread
        with ThreadPoolExecutor(max_workers=torch.get_num_threads()) as pool:
            return torch.from_numpy(np.stack(list(pool.map(one, pixels.contiguous().numpy()))))

    def segment(self, pixels: Tensor) -> Tensor:
        """Return the segments of 8-bit images with tensor operations only, without reading values on the host.

        It also works inside `torch.compile`, with fixed shapes.

        Args:
            pixels: `(N, C, H, W)` uint8; already smoothed.

        Returns:
            `(N, H, W)` int64 on the images' device, ids `0..S-1` without gaps in each image.
        """
        pixels = _gray_as_rgb(pixels)
        channels, height, width = pixels.shape[1:]
        grid, weight, min_size = self._scaled(height, width, channels)
        colors = cielab(pixels) if channels == 3 else pixels.int()
        return connected(nearest_cells(colors, grid, weight, self.max_num_iter), min_size)

    def _by_kernels(self, kernels: Callable[..., Tensor], parts: Sequence[Tensor]) -> Tensor:
        scaled = self._scaled(*parts[0].shape[-2:])
        try:
            return torch.cat([kernels(cielab(part), *scaled, self.max_num_iter) for part in parts])
        except RuntimeError as error:
            # Triton needs a C compiler and notices only here that there is none
            warnings.warn(f"Slic runs without its kernels, and slower. {error}", stacklevel=3)
        return torch.cat([self.segment(part) for part in parts])

    def _scaled(self, height: int, width: int, channels: int = 3) -> tuple[CellGrid, float, int]:
        """Return the cells, the weight of a squared pixel in color steps, and the size below which fragments join."""
        steps = STEPS if channels == 3 else LEVELS_PER_UNIT
        grid = CellGrid.over(height, width, self.n_segments)
        side = max(height / grid.rows, width / grid.columns)
        min_size = int(self.min_size_factor * height * width / (grid.rows * grid.columns))
        # in single precision, in which all versions multiply
        return grid, float(np.float32((self.compactness * steps / side) ** 2)), min_size


def _gray_as_rgb(pixels: Tensor) -> Tensor:
    return pixels.expand(-1, 3, -1, -1) if pixels.shape[1] == 1 else pixels


def _smoothed(images: Tensor, sigma: float) -> Tensor:
    height, width = images.shape[-2:]
    rows, columns = (
        gaussian_matrices(size, torch.tensor([sigma], dtype=torch.float64, device=images.device))[0]
        for size in (height, width)
    )
    return (rows @ images.detach().double().clamp(0, 1) @ columns.mT).clamp(0, 1)


@cache
def _compiled() -> Callable[..., NDArray[np.int64]] | None:
    """Return the compiled version if numba is installed; imported at the first call, which takes a second."""
    with WhereNumbaIs():
        from lightning_spx.superpixels.compiled import slic_labels

        return slic_labels
    return None


@cache
def _kernels() -> Callable[..., Tensor] | None:
    """Return the GPU kernels if Triton is installed."""
    try:
        from lightning_spx.superpixels.kernels import slic_segments
    except ModuleNotFoundError as error:
        if error.name != "triton":
            raise
        return None
    return slic_segments
