"""Errors of cheaper maps against 1000 evaluations, and the gain from antithetic draws."""

from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from lightning_spx.attribution import (
    Attribution,
    Gradient,
    SmoothGrad,
    adaptive_integrated_gradients,
    integrated_gradients,
)
from lightning_spx.evaluation.benchmark.cases import Bench
from lightning_spx.evaluation.benchmark.peers import CAPTUM, peer_of

MANY = 1000
STEPS = (10, 20, 50, 100)
TOLERANCES = (0.2, 0.1, 0.05)
DRAWS = (10, 50)
PAIRS = 32
PHOTOS_AT_A_TIME = 4


def path_errors(bench: Bench, num_images: int) -> pd.DataFrame:
    """Measure the error of integrated gradients with few nodes, with as many as each image needs, and of captum's.

    Args:
        bench: has network, images and progress bar.
        num_images: number of images; the first ones are taken.

    Returns:
        One row for each image and way: `what`, `evaluations` and `error`, the L2 norm of the difference to the map of
        1000 Gauss-Legendre nodes, divided by the norm of that map.
    """
    black = torch.zeros(1, device=bench.device)

    def many(images: Tensor, target: Tensor) -> Tensor:
        return integrated_gradients(bench.network, images, target, black, num_steps=MANY)

    ways: dict[str, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]] = {}
    for steps in STEPS:
        plain = partial(integrated_gradients, bench.network, baseline=black, num_steps=steps)
        ways[f"{steps} nodes"] = partial(_fixed, plain, steps)
    for tolerance in TOLERANCES:
        ways[f"adaptive, tolerance {tolerance}"] = partial(_adaptive, bench.network, black, tolerance)
    if find_spec(CAPTUM):
        from lightning_spx.attribution import IntegratedGradients

        peer = peer_of(IntegratedGradients(50), bench.network)
        if peer is not None:
            explain = peer[1]
            ways["captum, 50 nodes"] = lambda images, target: (explain(images, target), torch.full((len(images),), 50))
    return _errors(bench, num_images, "IntegratedGradients", many, ways)


def noise_errors(bench: Bench, num_images: int) -> pd.DataFrame:
    """Measure SmoothGrad with few draws, independent and antithetic, against 1000 draws of another seed."""

    def many(images: Tensor, target: Tensor) -> Tensor:
        return SmoothGrad(num_samples=MANY, seed=1).attribute(bench.network, images, target)

    ways = {}
    for draws in DRAWS:
        for antithetic in (False, True):
            method = SmoothGrad(num_samples=draws, antithetic=antithetic)
            name = f"{draws} draws, antithetic" if antithetic else f"{draws} draws"
            ways[name] = partial(_fixed, partial(_attribute, method, bench.network), draws)
    return _errors(bench, num_images, "SmoothGrad", many, ways)


def variance_ratios(bench: Bench, num_images: int) -> pd.Series:
    """Return for each image the variance of the mean of two antithetic draws over that of two independent ones.

    Variances are summed over pixels. 1 means that antithetic pairs gain nothing, 0.5 that they are worth twice as many
    draws.
    """
    ratios = []
    for image in bench.progress(range(num_images), "variance of pairs"):
        inputs = bench.images[image : image + 1]
        target = bench.target(inputs)
        spread = []
        for antithetic in (False, True):
            means = [
                SmoothGrad(Gradient(), 2, seed=seed, antithetic=antithetic).attribute(bench.network, inputs, target)
                for seed in range(PAIRS)
            ]
            spread.append(float(torch.cat(means).double().var(dim=0).sum()))
        ratios.append(spread[1] / spread[0] if spread[0] else np.nan)
    return pd.Series(ratios, name="variance_ratio")


def _errors(
    bench: Bench,
    num_images: int,
    method: str,
    many: Callable[[Tensor, Tensor], Tensor],
    ways: Mapping[str, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]],
) -> pd.DataFrame:
    rows = []
    for start in bench.progress(range(0, num_images, PHOTOS_AT_A_TIME), f"error of {method}"):
        images = bench.images[start : min(start + PHOTOS_AT_A_TIME, num_images)]
        target = bench.target(images)
        exact = many(images, target)
        size = exact.flatten(1).norm(dim=1)
        for what, way in ways.items():
            found, evaluations = way(images, target)
            error = (found - exact).flatten(1).norm(dim=1) / size
            rows += [
                {
                    "method": method,
                    "what": what,
                    "image": start + place,
                    "evaluations": int(count),
                    "error": float(each),
                }
                for place, (each, count) in enumerate(zip(error, evaluations, strict=True))
            ]
    return pd.DataFrame(rows)


def _fixed(
    explain: Callable[[Tensor, Tensor], Tensor], evaluations: int, images: Tensor, target: Tensor
) -> tuple[Tensor, Tensor]:
    return explain(images, target), torch.full((len(images),), evaluations)


def _attribute(method: Attribution, network: nn.Module, images: Tensor, target: Tensor) -> Tensor:
    return method.attribute(network, images, target)


def _adaptive(
    network: nn.Module, baseline: Tensor, tolerance: float, images: Tensor, target: Tensor
) -> tuple[Tensor, Tensor]:
    found = adaptive_integrated_gradients(network, images, target, baseline, tolerance)
    return found.attribution, found.num_evaluations
