"""Linear imputation of removed pixels: each becomes the weighted mean of its eight neighbors, solved jointly.

The weighted graph Laplacian of the removed pixels is symmetric and positive definite. On the CPU, each image is solved
directly, which is faster than conjugate gradients there: a small one by LAPACK's banded Cholesky factorization, a large
one by SuperLU with a symmetric ordering, in threads (only SuperLU releases the interpreter lock). On any other device,
conjugate gradients in float64 solve all images at once.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import solveh_banded
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import splu
from torch import Tensor

# half of the eight neighbors (dy, dx) with their weights; the other half mirrors them
NEIGHBOURS = ((0, 1, 1 / 6), (1, 0, 1 / 6), (1, 1, 1 / 12), (1, -1, 1 / 12))
# residual of conjugate gradients relative to the right-hand side; pixels exact to 1e-4 need about 1e-7
TOLERANCE = 1e-9
MAX_ITERATIONS = 5000
# unknowns times bandwidth up to which the banded factorization is faster, about that of 64 x 64 pixels
BANDED_ELEMENTS = 2**18


def impute(images: Tensor, removed: Tensor) -> Tensor:
    """Replace removed pixels by the weighted mean of their neighbors (edges 1/6, corners 1/12), solved jointly.

    Neighbors outside the image are left out of the mean. An image that is removed completely becomes its mean color.
    (Rong et al., A Consistent and Efficient Evaluation Strategy for Attribution Methods, ICML 2022, without its noise.)

    Args:
        images: shape (N,C,H,W), floating point.
        removed: shape (N,H,W) bool, one mask for all channels.

    Returns:
        Images of the shape and type of `images`; kept pixels do not change.

    Raises:
        TypeError: if `removed` is not bool.
        ValueError: if the shapes do not fit.

    Example:
        >>> images = torch.tensor([[[[0.0, 9.0, 1.0]]]])
        >>> impute(images, torch.tensor([[[False, True, False]]]))
        tensor([[[[0.0000, 0.5000, 1.0000]]]])
    """
    if removed.dtype != torch.bool:
        raise TypeError(f"Expected `removed` to be bool, got {removed.dtype}.")
    if images.ndim != 4 or removed.shape != (len(images), *images.shape[2:]):
        raise ValueError(
            f"Expected `images` (N,C,H,W) and `removed` (N,H,W), got {tuple(images.shape)} and {tuple(removed.shape)}."
        )
    images = images.detach()
    everything = removed.flatten(1).all(1)
    mean = images.mean((2, 3), keepdim=True).expand_as(images)
    solvable = removed & ~everything[:, None, None]
    solve = solve_directly if images.device.type == "cpu" else solve_iteratively
    filled = torch.where(solvable[:, None], solve(images.double(), solvable).to(images.dtype), images)
    return torch.where(everything[:, None, None, None], mean, filled)


def solve_directly(images: Tensor, removed: Tensor) -> Tensor:
    """Solve each image with a sparse factorization, in as many threads as torch uses; (N,C,H,W) float64 on the CPU."""
    pairs = list(zip(images.numpy(), removed.numpy(), strict=True))
    with ThreadPoolExecutor(max(1, torch.get_num_threads())) as pool:
        solved = list(pool.map(lambda pair: _solve_image(*pair), pairs))
    return torch.from_numpy(np.stack(solved)) if solved else images


def _solve_image(image: NDArray[np.float64], removed: NDArray[np.bool_]) -> NDArray[np.float64]:
    filled = image.copy()
    if not removed.any():
        return filled
    height, width = removed.shape
    number = np.cumsum(removed.ravel()).reshape(removed.shape) - 1
    diagonal, right = np.zeros((height, width)), np.zeros_like(image)
    kept = np.where(removed, 0.0, image)
    links = []
    for dy, dx, weight in NEIGHBOURS:
        one, other = _shifted(height, width, dy, dx)
        diagonal[one] += weight
        diagonal[other] += weight
        right[:, *one] += weight * kept[:, *other]
        right[:, *other] += weight * kept[:, *one]
        both = removed[one] & removed[other]
        links.append((number[one][both], number[other][both], weight))
    filled[:, removed] = _solve(diagonal[removed], links, right[:, removed].T).T
    return filled


def _solve(
    diagonal: NDArray[np.float64],
    links: list[tuple[NDArray[np.int64], NDArray[np.int64], float]],
    right: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Solve the equations of n pixels for all channels, (n, C).

    Args:
        diagonal: sum of the weights of each pixel's neighbors, (n,).
        links: pairs of pixels that are neighbors, the first one before the second, with their weight.
        right: weighted sum over each pixel's kept neighbors, (n, C).
    """
    size = len(diagonal)
    width = max((int((last - first).max()) for first, last, _ in links if len(first)), default=0)
    if size * (width + 1) <= BANDED_ELEMENTS:
        band = np.zeros((width + 1, size))
        band[0] = diagonal
        for first, last, weight in links:
            band[last - first, first] = -weight
        banded: NDArray[np.float64] = solveh_banded(band, right, lower=True, overwrite_ab=True, check_finite=False)
        return banded
    rows = np.concatenate([np.arange(size), *(each for first, last, _ in links for each in (first, last))])
    columns = np.concatenate([np.arange(size), *(each for first, last, _ in links for each in (last, first))])
    values = np.concatenate([diagonal, *(np.full(2 * len(first), -weight) for first, _, weight in links)])
    # symmetric and positive definite: needs no pivoting, and an ordering for symmetric matrices gives less fill-in
    factor = splu(
        csc_matrix((values, (rows, columns)), shape=(size, size)),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    solved: NDArray[np.float64] = factor.solve(right)
    return solved


def solve_iteratively(images: Tensor, removed: Tensor) -> Tensor:
    """Solve all images at once by conjugate gradients with a diagonal preconditioner; (N,C,H,W) float64.

    Raises:
        RuntimeError: if the tolerance is not reached, for example because a kept pixel is not finite.
    """
    height, width = removed.shape[1:]
    unknown = removed[:, None].to(images.dtype)
    diagonal = _neighbor_sum(images.new_ones(1, 1, height, width))
    solution = torch.zeros_like(images)
    residual = unknown * _neighbor_sum(images * (1 - unknown))
    # relative to the right-hand side of each image and channel; with `<=`, an image without removed pixels is done
    enough = TOLERANCE * residual.flatten(2).norm(dim=2)
    direction = residual / diagonal
    energy = (residual * direction).sum((2, 3), keepdim=True)
    for iteration in range(MAX_ITERATIONS):
        # reading a number waits for the device, so not in every iteration
        if iteration % 16 == 0 and bool((residual.flatten(2).norm(dim=2) <= enough).all()):
            break
        product = unknown * (diagonal * direction - _neighbor_sum(direction))
        curvature = (direction * product).sum((2, 3), keepdim=True)
        step = torch.where(curvature > 0, energy / curvature, 0.0)
        solution = solution + step * direction
        residual = residual - step * product
        scaled = residual / diagonal
        renewed = (residual * scaled).sum((2, 3), keepdim=True)
        direction = scaled + torch.where(energy > 0, renewed / energy, 0.0) * direction
        energy = renewed
    else:
        raise RuntimeError(
            f"Expected the imputation to reach a residual of {TOLERANCE} in {MAX_ITERATIONS} steps, which it did not: "
            "are all kept pixels finite?"
        )
    return torch.where(removed[:, None], solution, images)


def _neighbor_sum(values: Tensor) -> Tensor:
    """Return the weighted sum over the eight neighbors of each pixel, without those outside the image; (..., H, W)."""
    total = torch.zeros_like(values)
    for dy, dx, weight in NEIGHBOURS:
        one, other = _shifted(values.shape[-2], values.shape[-1], dy, dx)
        total[..., *one] += weight * values[..., *other]
        total[..., *other] += weight * values[..., *one]
    return total


def _shifted(height: int, width: int, dy: int, dx: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the slices of the pixels that have a neighbor at (dy, dx), and of these neighbors."""
    one = (slice(0, height - dy), slice(max(0, -dx), width - max(0, dx)))
    other = (slice(dy, height), slice(max(0, dx), width + min(0, dx)))
    return one, other
