"""Draws the background of a bird: smooth noise, stripes or a gradient of two colors, and some leaves."""

import colorsys

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from lightning_spx.data.bird_parts import Plane, ellipse

NUM_LEAVES = 5


def background(size: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Return a random texture `(size, size, 3)` in [0, 1].

    Args:
        size: side in pixels.
        generator: decides kind, colors and leaves.

    Example:
        >>> background(32, np.random.default_rng(0)).shape
        (32, 32, 3)
    """
    texture = (_noise, _stripes, _gradient)[generator.integers(3)](size, generator)
    first, second = _color(generator), _color(generator)
    picture = first + texture[..., None] * (second - first)
    picture += 0.12 * (_noise(size, generator, cells=8)[..., None] - 0.5)
    line = ((np.arange(size, dtype=np.float32) + 0.5) / size) * 2 - 1
    x, y = np.meshgrid(line, line)
    for _ in range(generator.integers(NUM_LEAVES + 1)):
        center_x, center_y = generator.uniform(-1, 1, 2)
        radius, angle = generator.uniform(0.08, 0.22), generator.uniform(0, np.pi)
        leaf = ellipse(x, y, (center_x, center_y), (radius, 0.45 * radius), angle)
        picture += np.clip(0.5 - leaf * size / 2, 0, 1)[..., None] * (_color(generator) - picture)
    return np.clip(picture, 0, 1)


def _color(generator: np.random.Generator) -> NDArray[np.float32]:
    hue, saturation, value = generator.uniform((0, 0.05, 0.3), (1, 0.6, 0.95))
    return np.asarray(colorsys.hsv_to_rgb(hue, saturation, value), np.float32)


def _noise(size: int, generator: np.random.Generator, cells: int = 4) -> Plane:
    """Return smooth noise in [0, 1]: a coarse random grid, interpolated."""
    grid = generator.random((cells + 1, cells + 1), np.float32)
    smooth: Plane = zoom(grid, size / (cells + 1), order=1, mode="nearest", grid_mode=True)
    return smooth


def _stripes(size: int, generator: np.random.Generator) -> Plane:
    """Return stripes in [0, 1] of random direction and width, bent a little by noise."""
    angle, cycles, phase = generator.uniform((0, 2, 0), (np.pi, 6, 1))
    across, along = np.cos(angle), np.sin(angle)
    line = np.linspace(0, 1, size, dtype=np.float32)
    position = across * line[None] + along * line[:, None] + 0.15 * _noise(size, generator)
    stripes: Plane = (0.5 + 0.5 * np.sin(2 * np.pi * (cycles * position + phase))).astype(np.float32)
    return stripes


def _gradient(size: int, generator: np.random.Generator) -> Plane:
    """Return a linear rise from 0 to 1 in a random direction."""
    angle = generator.uniform(0, 2 * np.pi)
    line = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    slope = np.cos(angle) * line[None] + np.sin(angle) * line[:, None]
    rise: Plane = ((slope - slope.min()) / (slope.max() - slope.min())).astype(np.float32)
    return rise
