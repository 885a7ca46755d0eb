"""Correlates maps, and what is left of them once the part that their image explains by itself is taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from lightning_spx.evaluation.maps.model_free import BLACK, centre, distances, edges, fits
from lightning_spx.evaluation.maps.pooled_maps import PooledMaps
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.reporting.rows import AFTER

# of the root mean square, the least standard deviation of values that are not constant but for rounding
LEAST_SPREAD = 1e-6
# of a map's variance, the least that is left of one that the references do not explain but for rounding
LEAST_SHARE = 1e-8
# singular value of references of length 1, which are one where they differ by less
LEAST_RANK = 1e-5


@dataclass(frozen=True)
class References:
    """What a map may show of images without any model: nothing, edges, the centre, the distance from a baseline.

    A map of noise whose local strength is a reference rho has, by pixel, an expected magnitude that is proportional to
    rho. Pooled with weights w, magnitudes first, it is proportional to the pooled rho. Pooled with its signs, it is
    proportional to the root of the sum of w^2 rho^2 where the noise is white, and to the pooled rho where it is alike
    over all that is pooled together; noise between the two needs both.

    Args:
        plain: (N, 3, H, W), that nothing differs between places, the images' edges, and their centre.
        distance: (N, K, C, H, W), the distance from the baseline, or two from several.
    """

    plain: Tensor
    distance: Tensor

    @classmethod
    def of(cls, images: Tensor, baselines: Sequence[Tensor] = (BLACK,)) -> Self:
        """Make the references of images (N, C, H, W), given the baselines of the method that explains them.

        A user's method may call something else by these names: what fits no image is left out, with a warning.
        """
        known = [each for each in baselines if fits(each, images)]
        if len(known) < len(baselines):
            rank_zero_warn(
                f"Expected the baselines of a method to fit images {tuple(images.shape[1:])}, got shape "
                f"{next(tuple(each.shape) for each in baselines if not fits(each, images))}: "
                f"{'what fits counts' if known else 'black is taken'} for what is left of correlations."
            )
        baselines = known or [BLACK]
        height, width = images.shape[-2:]
        middle = centre(height, width).to(images).expand(len(images), -1, -1)
        return cls(torch.stack([torch.ones_like(middle), edges(images), middle], 1), distances(images, baselines))

    def of_maps(self, pooling: Pooling, order: str, images: slice | Tensor) -> Tensor:
        """Return what pooled maps may show without any model.

        Args:
            pooling: how the maps are pooled.
            order: of pooling and taking magnitudes.
            images: which of the pooling's images the maps belong to; the references are of the same images.

        Returns:
            (n, K, D), with as many values as the maps have: one for each segment, or for each pixel.
        """
        plain, distance = self.plain[images], self.distance[images]
        strength = torch.cat([plain, distance.sum(2)], 1)
        if pooling.kind in ("none", "ranked", "reference"):
            return strength.flatten(2)
        pooled = pooling.values(strength[None], order, images)[0]
        is_own = pooling.kind == "own"
        if order != AFTER and not is_own:
            return pooled
        # the strength of channels of pooled noise, which are then summed as those of maps are
        variance = torch.cat([plain, distance.flatten(1, 2)], 1).square()
        noise = pooling.noise(variance, images).sqrt()
        number = plain.shape[1]
        of_distance = noise[:, number:].reshape(len(noise), *distance.shape[1:3], -1).sum(2)
        noise = torch.cat([noise[:, :number], of_distance], 1)
        if not is_own:
            return torch.cat([pooled, noise], 1)
        # what explains whole segments gives them sums, which grow with the number of pixels
        sizes = pooling.sizes[images][:, None, : pooled.shape[2]].to(pooled)
        return torch.cat([pooled, noise, noise * sizes, sizes], 1)


def correlations(maps: PooledMaps, sides: Sequence[tuple[int, int]], references: Tensor) -> tuple[Tensor, Tensor]:
    """Return Pearson's correlation over pixels of pairs of maps, and their partial correlation given the references.

    They are of magnitudes, which a saliency map scales and caps at a quantile: the expected magnitude of noise is
    proportional to its strength, that of capped noise is not.

    Args:
        maps: K maps of each of n images.
        sides: S pairs of positions of maps.
        references: (n, R, D), what both maps of a pair may show; a constant is always taken out.

    Returns:
        Both (S, n) float64 in [-1, 1]; 0 where a map, or what is left of it, is constant.
    """
    values = maps.magnitude.double().movedim(0, 1)
    weights = torch.ones_like(values[:, :1]) if maps.sizes is None else maps.sizes.double()[:, None]
    least = LEAST_SPREAD**2 * (weights * values.square()).sum(2)
    values = _centred(values, weights)
    total = values @ values.mT
    explained = values @ _basis(references.double(), weights)
    left = total - explained @ explained.mT
    power = total.diagonal(dim1=1, dim2=2)
    return _of_pairs(total, least, sides), _of_pairs(left, torch.maximum(LEAST_SHARE * power, least), sides)


def _centred(values: Tensor, weights: Tensor) -> Tensor:
    """Return values (n, K, D) minus their mean, times the roots of their weights (n, 1, D)."""
    mean = (values * weights).sum(2, keepdim=True) / weights.sum(2, keepdim=True)
    return (values - mean) * weights.sqrt()


def _basis(references: Tensor, weights: Tensor) -> Tensor:
    """Return orthonormal columns (n, D, R) that span the centred references; columns of zeros stand for dependent ones.

    Args:
        references: (n, R, D) float64.
        weights: (n, 1, D).
    """
    centred, whole = _centred(references, weights), (references.square() * weights).sum(2, keepdim=True).sqrt()
    length = centred.norm(dim=2, keepdim=True)
    # references of different units count alike
    scaled = torch.where(length > LEAST_SPREAD * whole, centred / length, 0.0)
    columns, triangle = torch.linalg.qr(scaled.mT)
    turned, strength, _ = torch.linalg.svd(triangle)
    basis: Tensor = columns @ (turned * (strength > LEAST_RANK)[:, None])
    return basis


def _of_pairs(products: Tensor, least: Tensor, sides: Sequence[tuple[int, int]]) -> Tensor:
    """Return correlations (S, n) from inner products (n, K, K); 0 where one with itself is not above its least."""
    own = products.diagonal(dim1=1, dim2=2)
    norm = own.clamp(min=0).sqrt()
    scaled = torch.where(own > least, 1 / norm, 0.0)
    first, second = zip(*sides, strict=True)
    one, two = list(first), list(second)
    found: Tensor = (products[:, one, two] * scaled[:, one] * scaled[:, two]).clamp(-1, 1).mT
    return found
