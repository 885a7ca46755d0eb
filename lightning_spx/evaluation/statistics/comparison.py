"""Attributions of k models -> per-image values of every pair, partition and metric, with their nulls."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.attribution import magnitude, saliency_map
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.metrics import Distance, pair_distances, pair_sets
from lightning_spx.metrics.overlap import pairwise_overlap
from lightning_spx.metrics.ssim import pairwise_ssim
from lightning_spx.runs.blocks import VARIANTS

TOP_K = 0.1
# distances between un-normalised magnitudes; the others compare saliency maps
MAGNITUDE_DISTANCES = ("l2", "l2_raw", "cosine")
CHUNK_ELEMENTS = 2**24  # of attribution values of all models at a time: bounds memory at a few hundred MiB


@dataclass(frozen=True)
class ImageFacts:
    """What a comparison needs to know of the images beside their maps.

    Args:
        index: (N,) each image's number in the data set.
        label: (N,) true classes.
        preds: (M, N) the models' predictions.
        held_out: (M, N) bool, which model did not train on which image, or None if no model saw any.
        permutation: (N,) a derangement: image n is mismatched with image permutation[n].
    """

    index: Tensor
    label: Tensor
    preds: Tensor
    held_out: Tensor | None
    permutation: NDArray[np.int64]

    def counting(self) -> Tensor:
        """Which images count for which pair, (pairs, N)."""
        if self.held_out is not None:
            return counting_images(self.held_out)
        return torch.ones(comb(len(self.preds), 2), len(self.index), dtype=torch.bool)


def counting_images(held_out: Tensor) -> Tensor:
    """Which images count for which pair of models, (pairs, N): those that exactly one of the two did not see.

    Args:
        held_out: (M, N) bool, which model did not train on which image.
    """
    pairs = combinations(range(len(held_out)), 2)
    return torch.stack([held_out[first] ^ held_out[second] for first, second in pairs])


def check_pairs(held_out: Tensor | None) -> None:
    """Raise a ValueError for a pair of models for which no image of a study counts."""
    if held_out is not None:
        for position, count in enumerate(counting_images(held_out).sum(1).tolist()):
            if not count:
                raise ValueError(f"Expected images that count for every pair of models, got none for pair {position}.")


def compare(
    attributions: Tensor,
    partitions: Sequence[Pooling],
    images: ImageFacts,
    *,
    magnitudes: Sequence[Magnitude],
    distances: Sequence[Distance],
    non_negative: bool,
    seed: int,
    model_offset: int = 0,
) -> pd.DataFrame:
    """Compare every pair of models on every image, in every pooling, beside the two nulls of each value.

    Args:
        attributions: (M, N, C, H, W) of one method.
        partitions: the poolings; each gets rows for every magnitude order.
        images: the images' labels, predictions and derangement.
        magnitudes: `after` pools signed values, `before` their absolute values.
        distances: of MeGe and ReCo.
        non_negative: of the method: the two orders coincide, and one row `either` stands for both.
        seed: of the permutations.
        model_offset: number of the first model in the whole study, so that repeats permute differently.

    Returns:
        One row for each (pair, superpixels, magnitude, metric, setting, image): `value`, `permuted` and `mismatched`
        are NaN where the image does not count for the pair; `constant` says that one of the two maps is constant.
    """
    num_models = len(attributions)
    pairs = list(combinations(range(num_models), 2))
    agree, differ = pair_sets(images.preds, images.label, images.held_out)
    counting = images.counting().numpy()
    values: dict[tuple[int, str, str, str, str], list[NDArray[np.float64]]] = {}
    constant: dict[tuple[int, str, str], list[NDArray[np.bool_]]] = {}
    for here, partition, order, maps in each_pooling(
        attributions, partitions, images, magnitudes, non_negative, seed, model_offset
    ):
        superpixels = partition.name
        blank = maps["value"][1].flatten(2).amax(2) == 0
        measured = _pair_values(maps, partition.constant_on(here), distances)
        for position, (first, second) in enumerate(pairs):
            either_blank = (blank[first] | blank[second]).numpy()
            constant.setdefault((position, superpixels, order), []).append(either_blank)
            for (metric, setting), number in measured.items():
                values.setdefault((position, superpixels, order, metric, setting), []).append(number[:, position])
    sizes = {partition.name: partition.num_segments().numpy() for partition in partitions}
    frames = []
    for (position, superpixels, order, metric, setting), chunks in values.items():
        first, second = pairs[position]
        number = np.where(counting[position], np.concatenate(chunks, axis=1), np.nan)
        frames.append(
            pd.DataFrame(
                {
                    "pair": f"{first}-{second}",
                    "superpixels": superpixels,
                    "magnitude": order,
                    "metric": metric,
                    "setting": setting,
                    "index": images.index.numpy(),
                    "agree": agree[position].numpy(),
                    "differ": differ[position].numpy(),
                    "num_segments": sizes[superpixels],
                    "constant": np.concatenate(constant[position, superpixels, order]),
                    **dict(zip(VARIANTS, number, strict=True)),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def each_pooling(
    attributions: Tensor,
    partitions: Sequence[Pooling],
    images: ImageFacts,
    magnitudes: Sequence[Magnitude],
    non_negative: bool,
    seed: int,
    model_offset: int,
) -> Iterator[tuple[slice, Pooling, str, dict[str, tuple[Tensor, Tensor]]]]:
    """Pool the maps and their nulls in every way, some images at a time, so that memory is bounded.

    Yields:
        Which images, the partition, the magnitude order, and for each variant magnitudes and saliency maps,
        each (M, n, H, W).
    """
    num_images = attributions.shape[1]
    chunk = max(1, CHUNK_ELEMENTS // attributions[:, 0].numel())
    for start in range(0, num_images, chunk):
        here = slice(start, min(start + chunk, num_images))
        nulls = _with_nulls(attributions, here, images, seed, model_offset)
        for partition in partitions:
            # without pooling, or without signs, the two orders are the same number
            either = non_negative or partition.pooling == "none"
            for order in ("either",) if either else magnitudes:
                maps = {name: _pooled_maps(partition, order, part, here) for name, part in nulls.items()}
                yield here, partition, order, maps


def _with_nulls(
    attributions: Tensor, here: slice, images: ImageFacts, seed: int, model_offset: int
) -> dict[str, Tensor]:
    """Return the images' attributions as they are, with permuted pixels, and of the images they are mismatched with."""
    index = images.index[here].tolist()
    own = attributions[:, here]
    permuted = [permute_pixels(each, index, model_offset + model, seed) for model, each in enumerate(own)]
    mismatched = attributions[:, torch.from_numpy(images.permutation[here])]
    return {"value": own, "permuted": torch.stack(permuted), "mismatched": mismatched}


def _pooled_maps(partition: Pooling, order: str, attributions: Tensor, here: slice) -> tuple[Tensor, Tensor]:
    """Pool (M, n, C, H, W) and return magnitudes and saliency maps, each (M, n, H, W)."""
    flat = attributions.flatten(0, 1)
    pooled = partition.pool(flat.abs() if order == "before" else flat, here)
    shape = (*attributions.shape[:2], *attributions.shape[-2:])
    return magnitude(pooled).view(shape), saliency_map(pooled).view(shape)


def _pair_values(
    maps: dict[str, tuple[Tensor, Tensor]], segments: Tensor | None, distances: Sequence[Distance]
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Return (3, pairs, n) values of each metric and setting: as is, permuted, mismatched (own image against another).

    All pairs at once, so that what a metric needs of a map is computed once, however many models it is compared with.
    """
    # the second side of a pair; where both show the same kind of map there is nothing to compute for it
    sides = (("value", None), ("permuted", None), ("value", "mismatched"))

    def of_sides(kind: int, metric: Callable[[Tensor, Tensor | None], Tensor]) -> NDArray[np.float64]:
        values = [metric(maps[own][kind], None if other is None else maps[other][kind]) for own, other in sides]
        return torch.stack(values).double().numpy()

    result = {
        ("saliency_ssim", ""): of_sides(1, pairwise_ssim),
        ("topk_overlap", f"k={TOP_K}"): of_sides(1, partial(pairwise_overlap, k=TOP_K)),
    }
    for distance in distances:
        kind = 0 if distance in MAGNITUDE_DISTANCES else 1
        metric = partial(_distances, distance=distance, segments=segments)
        result["distance", f"distance={distance}"] = of_sides(kind, metric)
    return result


def _distances(maps: Tensor, others: Tensor | None, distance: Distance, segments: Tensor | None) -> Tensor:
    return pair_distances(maps, distance, segments, others)


def permute_pixels(attribution: Tensor, index: Sequence[int], model: int, seed: int) -> Tensor:
    """Permute each attribution's values over the pixels: no signal is left, and no smoothness.

    Args:
        attribution: (N, C, H, W); the channels of a pixel stay together.
        index: each image's number, so that the permutation does not depend on the batch.
        model: number of the model: two models' permutations are independent.
        seed: of the study.

    Returns:
        (N, C, H, W).

    Example:
        >>> permute_pixels(torch.arange(4.0).view(1, 1, 2, 2), index=[7], model=0, seed=0).flatten().sort().values
        tensor([0., 1., 2., 3.])
    """
    num_pixels = attribution[0, 0].numel()
    orders = np.stack([np.random.default_rng([seed, model, image]).permutation(num_pixels) for image in index])
    order = torch.from_numpy(orders).to(attribution.device)[:, None].expand(-1, attribution.shape[1], -1)
    return attribution.flatten(2).gather(2, order).view_as(attribution)
