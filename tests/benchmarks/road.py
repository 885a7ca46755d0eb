"""Time ROAD's imputation against a loop of sparse direct solves: `python -m tests.benchmarks.road [images]`."""

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import spsolve
from torch import Tensor

from lightning_spx.metrics import impute
from lightning_spx.superpixels import Voronoi

SIDE, SHARE, REPEATS = 224, 0.5, 3


def segment_masks(number: int) -> Tensor:
    """Remove whole segments of about 130 until half of the pixels are gone."""
    segments = Voronoi(n_segments=130, seed=0)(torch.rand(number, 3, SIDE, SIDE))
    ranks = torch.rand(number, 200, generator=torch.Generator().manual_seed(0)).gather(1, segments.flatten(1))
    half = ranks.median(1, keepdim=True).values
    return (ranks < half).view(number, SIDE, SIDE)


def loop(images: Tensor, removed: Tensor) -> Tensor:
    """One image after the other, its equations assembled without a loop over pixels, solved by SciPy in float64."""
    return torch.stack([torch.from_numpy(solve(*pair)) for pair in zip(images.numpy(), removed.numpy(), strict=True)])


def solve(image: np.ndarray, removed: np.ndarray) -> np.ndarray:
    number = np.full((SIDE + 2, SIDE + 2), -2)
    number[1:-1, 1:-1] = -1
    places = np.argwhere(removed)
    number[1:-1, 1:-1][removed] = np.arange(len(places))
    padded = np.pad(image.astype(np.float64), ((0, 0), (1, 1), (1, 1)))
    rows, columns, values = [], [], []
    diagonal, right = np.zeros(len(places)), np.zeros((len(places), len(image)))
    for dy, dx in ((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)):
        weight = 1 / 6 if 0 in (dy, dx) else 1 / 12
        y, x = places[:, 0] + 1 + dy, places[:, 1] + 1 + dx
        neighbor = number[y, x]
        diagonal += weight * (neighbor > -2)
        right += weight * (neighbor == -1)[:, None] * padded[:, y, x].T
        unknown = np.flatnonzero(neighbor >= 0)
        rows.append(unknown)
        columns.append(neighbor[unknown])
        values.append(np.full(len(unknown), -weight))
    rows.append(np.arange(len(places)))
    columns.append(np.arange(len(places)))
    values.append(diagonal)
    system = csc_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))))
    filled = image.astype(np.float64)
    filled[:, removed] = spsolve(system, right).T
    return filled


def seconds(call: Callable[[], Tensor]) -> float:
    start = time.perf_counter()
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    images = torch.rand(number, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    removed = segment_masks(number)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    there = images.to(device), removed.to(device)
    error = (impute(*there).cpu().double() - loop(images, removed)).abs().max().item()
    # in turns, so that what else the machine does hits both
    pairs = [(seconds(lambda: loop(images, removed)), seconds(lambda: impute(*there))) for _ in range(REPEATS)]
    theirs, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"{number} images of {SIDE} px, half removed in segments, {torch.get_num_threads()} threads")
    print(f"loop of sparse direct solves {theirs / number * 1e3:.1f} ms an image")
    print(f"impute on {device:<18} {ours / number * 1e3:.1f} ms an image: {theirs / ours:.1f} times as fast")
    print(f"largest difference {error:.1e}")


if __name__ == "__main__":
    main()
