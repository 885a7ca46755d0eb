"""The filters as slow loops over pixels, as their papers define them."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Numbers = NDArray[np.float64]


def bilateral_weights(image: Tensor, sigma_color: float, sigma_spatial: float) -> Numbers:
    """Return the weights (P, P) of one image (G, H, W), pixel by pixel."""
    colors = image.double().flatten(1).numpy()
    width, pixels = image.shape[-1], colors.shape[1]
    weights: Numbers = np.empty((pixels, pixels))
    for one in range(pixels):
        for other in range(pixels):
            place = (one // width - other // width) ** 2 + (one % width - other % width) ** 2
            color = sum((colors[:, one] - colors[:, other]) ** 2)
            weights[one, other] = math.exp(-place / (2 * sigma_spatial**2) - color / (2 * sigma_color**2))
    normalised: Numbers = weights / weights.sum(1, keepdims=True)
    return normalised


def guided_weights(image: Tensor, radius: int, eps: float) -> Numbers:
    """Return the weights (P, P) of one image (G, H, W), a window after the other: He et al., 2013, Eq. 12 and 19."""
    image = image.double()
    colors, height, width = image.shape
    guide = image.flatten(1).numpy().T
    pixels = height * width
    numbers = np.arange(pixels).reshape(height, width)
    weights = np.zeros((pixels, pixels))
    shares = np.zeros(pixels)
    for y in range(height):
        for x in range(width):
            rows, columns = slice(max(0, y - radius), y + radius + 1), slice(max(0, x - radius), x + radius + 1)
            window = numbers[rows, columns].flatten()
            inside = guide[window] - guide[window].mean(0)
            covariance = inside.T @ inside / len(window) + eps * np.eye(colors)
            weights[np.ix_(window, window)] += (1 + inside @ np.linalg.solve(covariance, inside.T)) / len(window)
            shares[window] += 1
    return weights / shares[:, None]


def pooled_by(weights: Numbers, attribution: Tensor) -> Tensor:
    """Pool one attribution (C, H, W) by weights (P, P)."""
    return torch.from_numpy(attribution.double().flatten(1).numpy() @ weights.T).view(attribution.shape).float()
