"""Compares the attributions of k models, image by image, for every pair, pooling and metric, with their nulls."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.evaluation.maps.pooled_maps import PooledMaps
from lightning_spx.evaluation.maps.pooling_lists import in_orders, pixel_pooling
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.evaluation.statistics.floors import permute_segments, with_nulls
from lightning_spx.evaluation.statistics.image_facts import ImageFacts
from lightning_spx.evaluation.statistics.residuals import References, correlations
from lightning_spx.metrics import Distance, pair_sets
from lightning_spx.metrics.distances import distances_of_pairs
from lightning_spx.metrics.overlap import overlap_of_pairs
from lightning_spx.metrics.ssim import PairPreset, ssim_of_pairs
from lightning_spx.reporting.rows import CORRELATION, RESIDUAL
from lightning_spx.runs.blocks import CEILING, VARIANTS

TOP_K = 0.1
# these distances compare un-normalized magnitudes; the others compare saliency maps
MAGNITUDE_DISTANCES = ("l2", "l2_raw", "cosine")
KEYS = ("pair", "superpixels", "magnitude", "metric", "setting")
CHUNK_ELEMENTS = 2**22  # attribution values at a time, over all models; bounds memory at a few hundred MiB


@dataclass(frozen=True)
class ComparisonSettings:
    """How the maps of one method are pooled and their nulls drawn.

    Args:
        magnitudes: `after` pools signed values, `before` their absolute values.
        has_one_order: whether the two orders coincide; a row `either` then stands for both.
        seed: seeds the permutations.
        model_offset: number of the first model in the whole study, so that repeats permute differently.
        ssim_presets: presets of SSIM that get rows of their own beside the usual one.
        is_random: whether the method draws random numbers; without, a model's map agrees with itself perfectly. None if
            that is not known.
    """

    magnitudes: Sequence[Magnitude]
    has_one_order: bool
    seed: int
    model_offset: int = 0
    ssim_presets: Sequence[PairPreset] = ()
    is_random: bool | None = None


@dataclass(frozen=True)
class ComparedMaps:
    """The maps of some images in one pooling and order: those of all models, of each null, and by new seeds.

    Args:
        images: which of the poolings' images the maps belong to; positions (n,) where maps belong to items.
        pooling: how the maps were pooled.
        order: order of pooling and taking magnitudes.
        maps: those of M models as they are, M of each null, in the order of `VARIANTS`, and M by other seeds, if any.
    """

    images: slice | Tensor
    pooling: Pooling
    order: str
    maps: PooledMaps


def compare(
    attributions: Tensor,
    poolings: Sequence[Pooling],
    images: ImageFacts,
    settings: ComparisonSettings,
    distances: Sequence[Distance],
    again: Tensor | None = None,
    mismatched: Tensor | None = None,
    references: References | None = None,
) -> pd.DataFrame:
    """Compare every pair of models on every image, in every pooling, and compute the two nulls of each value.

    Args:
        attributions: (M, N, C, H, W) the attributions of one method.
        poolings: poolings of the images; each gets rows for every magnitude order.
        images: the images' labels, predictions and derangement, or those of their items.
        settings: how maps are pooled and nulls drawn.
        distances: distances that MeGe and ReCo use.
        again: (M, N, C, H, W) the attributions of the same models by the same method with other seeds.
        mismatched: (M, N, C, H, W) the attributions of the images that images are mismatched with, of a method that
            explains by segments: over the segments of these images. None for those among `attributions`.
        references: what maps may show of the images without any model; with them there are rows of `correlation` and
            `residual_correlation`, which is what is left of it once both maps were regressed on them.

    Returns:
        One row for each (pair, superpixels, magnitude, metric, setting, image): `value`, `permuted` and `mismatched`
        are NaN where the image does not count for the pair; `ceiling` is the agreement of a model's map with its own by
        other seeds, the mean of both models, that of equal maps for a method that is not random, or NaN if nobody
        knows; `same` says that both models predict the same, `constant` that one of the two maps is constant. With
        items there is a row for each of them, and the column `finding` names its finding.
    """
    num_models = len(attributions)
    pairs = list(combinations(range(num_models), 2))
    agree, differ = pair_sets(images.preds, images.label, images.held_out)
    counts = images.counting()
    agree, differ, counting = agree & counts, differ & counts, counts.numpy()
    same = torch.stack([images.preds[first] == images.preds[second] for first, second in pairs]) & counts
    values: dict[tuple[str, str], list[dict[tuple[str, str], NDArray[np.float64]]]] = {}
    constant: dict[tuple[str, str], list[NDArray[np.bool_]]] = {}
    first, second = np.array(pairs).T
    for compared in each_pooling(attributions, poolings, images, settings, again, mismatched):
        row = compared.pooling.name, compared.order
        blank = (compared.maps.saliency[:num_models].amax(2) == 0).numpy(force=True)
        constant.setdefault(row, []).append(blank[first] | blank[second])
        known = None
        if references is not None:
            known = references.of_maps(compared.pooling, compared.order, compared.images)
        values.setdefault(row, []).append(_pair_values(compared.maps, num_models, distances, settings, known))
    sizes = {pooling.name: pooling.num_segments()[images.pooled_as(slice(None))].numpy() for pooling in poolings}
    of_pair = {"agree": agree.numpy(), "differ": differ.numpy(), "same": same.numpy()}
    frames = []
    for (superpixels, order), chunks in values.items():
        # (4, pairs, metrics, N), and the columns of its rows
        numbers = np.stack([np.concatenate([chunk[key] for chunk in chunks], axis=2) for key in chunks[0]], axis=2)
        numbers = np.where(counting[:, None], numbers, np.nan)
        shape = numbers.shape[1:]
        flags = {**of_pair, "constant": np.concatenate(constant[superpixels, order], axis=1)}
        frames.append(
            {
                "pair": _column(np.array([f"{i}-{j}" for i, j in pairs], object)[:, None, None], shape),
                "superpixels": _column(np.array(superpixels, object), shape),
                "magnitude": _column(np.array(order, object), shape),
                "metric": _column(np.array([metric for metric, _ in chunks[0]], object)[:, None], shape),
                "setting": _column(np.array([setting for _, setting in chunks[0]], object)[:, None], shape),
                "position": _column(np.arange(shape[-1]), shape),
                **{name: _column(flag[:, None], shape) for name, flag in flags.items()},
                "num_segments": _column(sizes[superpixels], shape),
                **dict(zip((*VARIANTS, CEILING), numbers.reshape(4, -1), strict=True)),
            }
        )
    columns = {name: np.concatenate([frame[name] for frame in frames]) for name in frames[0]}
    of_image = {name: pd.Series(values) for name, values in images.columns().items()}
    position = columns.pop("position")
    columns |= {name: values.take(position).array for name, values in of_image.items()}
    order_of_columns = [*KEYS, *of_image, "agree", "differ", "same", "num_segments", "constant"]
    return pd.DataFrame(columns)[[*order_of_columns, *VARIANTS, CEILING]]


def _column(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    return np.broadcast_to(values, shape).reshape(-1)


def each_pooling(
    attributions: Tensor,
    poolings: Sequence[Pooling],
    images: ImageFacts,
    settings: ComparisonSettings,
    again: Tensor | None = None,
    mismatched: Tensor | None = None,
) -> Iterator[ComparedMaps]:
    """Pool the maps, their nulls and those by other seeds in every way, some images at a time, to bound memory."""
    num_images = attributions.shape[1]
    chunk = max(1, CHUNK_ELEMENTS // attributions[:, 0].numel())
    for start in range(0, num_images, chunk):
        here = slice(start, min(start + chunk, num_images))
        nulls = _with_nulls(attributions, here, images, settings)
        if mismatched is not None:
            nulls["mismatched"] = mismatched[:, here]
        if again is not None:
            nulls |= {CEILING: again[:, here]}
        own = images.pooled_as(here)
        # once, not in every pooling
        nulls = {name: each.contiguous() for name, each in nulls.items()}
        for pooling, order in in_orders(poolings, settings.magnitudes, settings.has_one_order):
            seen, seen_by = nulls, pooling
            if pooling.kind == "own":
                seen = nulls | {"permuted": _permuted_over_segments(nulls["value"], pooling, images, here, settings)}
            if pooling.reference is not None:
                # every model gives the same map, and by any other seed, too
                given = pooling.reference[images.pooled_as(slice(None))].to(attributions)
                alike = given[None, :, None].expand(len(attributions), -1, -1, -1, -1)
                seen = _with_nulls(alike, here, images, settings)
                seen |= {CEILING: seen["value"]} if again is not None else {}
                seen_by = pixel_pooling(pooling.segments)
            yield ComparedMaps(own, pooling, order, PooledMaps.of(seen.values(), seen_by, order, own))


def _with_nulls(
    attributions: Tensor, here: slice, images: ImageFacts, settings: ComparisonSettings
) -> dict[str, Tensor]:
    finding = None if images.items is None else images.items.finding
    return with_nulls(
        attributions, here, images.index, images.permutation, settings.seed, settings.model_offset, finding
    )


def _permuted_over_segments(
    maps: Tensor, pooling: Pooling, images: ImageFacts, here: slice, settings: ComparisonSettings
) -> Tensor:
    segments, numbers = pooling.segments[images.pooled_as(here)], images.index[here].tolist()
    finding = None if images.items is None else images.items.finding[here].tolist()
    models = enumerate(maps, start=settings.model_offset)
    return torch.stack(
        [permute_segments(each, segments, numbers, model, settings.seed, finding) for model, each in models]
    )


def _pair_values(
    maps: PooledMaps,
    num_models: int,
    distances: Sequence[Distance],
    settings: ComparisonSettings,
    references: Tensor | None,
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Return values (4, pairs, n) of each metric and setting: as is, permuted, mismatched with another image, ceiling.

    All pairs are measured at once, so that a metric computes what it needs from a map once, however many models there
    are.
    """
    pairs = list(combinations(range(num_models), 2))
    # the two maps of every pair as they are, permuted, mismatched, and those of each model and itself by other seeds
    sides = [
        *pairs,
        *((num_models + i, num_models + j) for i, j in pairs),
        *((i, 2 * num_models + j) for i, j in pairs),
    ]
    has_again = len(maps.saliency) > len(VARIANTS) * num_models
    if has_again:
        sides += [(model, len(VARIANTS) * num_models + model) for model in range(num_models)]

    def of_sides(measured: Tensor, perfect: float = 1.0) -> NDArray[np.float64]:
        nulls = measured[: len(VARIANTS) * len(pairs)]
        own = measured[len(VARIANTS) * len(pairs) :]
        if has_again:
            ceiling = torch.stack([(own[i] + own[j]) / 2 for i, j in pairs])
        else:
            ceiling = torch.full_like(nulls[: len(pairs)], perfect if settings.is_random is False else torch.nan)
        return torch.cat([nulls, ceiling]).double().view(len(VARIANTS) + 1, len(pairs), -1).numpy(force=True)

    saliency = maps.saliency if maps.segments is not None else maps.on_pixels(maps.saliency)
    ssim = {"": ssim_of_pairs(saliency, sides, maps.segments)}
    if settings.ssim_presets:
        on_pixels = maps.on_pixels(maps.saliency)
        ssim |= {f"preset={each}": ssim_of_pairs(on_pixels, sides, preset=each) for each in settings.ssim_presets}
    result = {("saliency_ssim", setting): of_sides(values) for setting, values in ssim.items()}
    overlap = overlap_of_pairs(maps.saliency, sides, TOP_K, maps.sizes)
    result["topk_overlap", f"k={TOP_K}"] = of_sides(overlap)
    for distance in distances:
        if distance == "ssim":
            values = 1 - ssim[""]
        else:
            kind = maps.magnitude if distance in MAGNITUDE_DISTANCES else maps.saliency
            values = distances_of_pairs(kind, sides, distance, maps.sizes)
        result["distance", f"distance={distance}"] = of_sides(values, perfect=0.0)
    if references is not None:
        found = correlations(maps, sides, references.to(maps.magnitude.device))
        result |= {(name, ""): of_sides(each) for name, each in zip((CORRELATION, RESIDUAL), found, strict=True)}
    return result
