"""Encodes example photos and the maps of every model for a page, small enough for one file."""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lightning_spx.reporting.rows import EITHER, PIXEL

# bytes of the encoded gallery, so that figures and tables fit beside it into a page of 8 MB
BUDGET = 4_500_000
COLOURS = "inferno"
Agreement = Mapping[tuple[str, str], NDArray[np.float64]]


@dataclass(frozen=True)
class MethodMaps:
    """The maps of one method.

    Args:
        pixel: (M, n, H, W) saliency in [0, 1] of M models for n photos.
        pooled: (M, n, H, W), by (segmenter or filter, magnitude order); a segmenter's are constant on its segments.
        given: what gives the maps of `pixel` their values, as in the column `superpixels`.

    Example:
        >>> maps = np.ones((2, 1, 4, 4), np.float32)
        >>> list(MethodMaps(maps, {("Slic", "after"): maps}).pooled)
        [('Slic', 'after')]
    """

    pixel: NDArray[np.float32]
    pooled: Mapping[tuple[str, str], NDArray[np.float32]]
    given: str = PIXEL


@dataclass(frozen=True)
class Gallery:
    """Photos with their segments and maps.

    Args:
        photos: (n, H, W, 3) in [0, 1].
        segments: (n, H, W) ids from 0 of each segmenter, by name; filters have none.
        maps: of each method, by name.
        models: names of the M models.
        agreement: (n,) SSIM between the models' maps of each photo, by method, and by (segmenter or filter, magnitude
            order) or (`pixel`, `either`), or what else gives the method's maps their values. Photos whose maps agree
            least come first.

    Example:
        >>> maps = {"Gradient": MethodMaps(np.ones((2, 1, 4, 4), np.float32), {})}
        >>> ids = {"Slic": np.zeros((1, 4, 4), np.int64)}
        >>> Gallery(np.ones((1, 4, 4, 3), np.float32), ids, maps, ["model 0", "model 1"]).photos.shape
        (1, 4, 4, 3)
    """

    photos: NDArray[np.float32]
    segments: Mapping[str, NDArray[np.int64]]
    maps: Mapping[str, MethodMaps]
    models: Sequence[str]
    agreement: Mapping[str, Agreement] = field(default_factory=dict)

    def agreement_as_given(self, method: str) -> NDArray[np.float64] | None:
        """Return how far the models' maps of each photo agree, as the method gives them; None where nobody knows."""
        known = self.maps.get(method)
        return None if known is None else self.agreement.get(method, {}).get((known.given, EITHER))


def encode_gallery(gallery: Gallery, budget: int = BUDGET) -> dict[str, object]:
    """Encode a gallery as plain values: pictures as PNG files in text, and a number for each segment if there are any.

    Args:
        gallery: photos, segments and maps.
        budget: size in bytes; photos that do not fit are left out, the last ones first.

    Returns:
        `photos`, `models`, `segments[segmenter][photo]` (PNG, id = red + 256 green), `pixel[method][model][photo]`
        (PNG, saliency times 255), `pooled[method][superpixels][order][model][photo]` (a list, the saliency of each
        segment; of a filter a PNG file as in `pixel`), `given[method]` (what the maps of `pixel` are called),
        `agreement[method][superpixels, or what is given][order][photo]`, `numbers` of the photos in the study, and
        `left_out`, the number of photos that did not fit. Photos are in the order of the first method's pixel maps, the
        ones that agree least first.

    Example:
        >>> ids = np.array([[[0, 1]]])
        >>> maps = MethodMaps(np.ones((1, 1, 1, 2), np.float32), {("Slic", "after"): np.ones((1, 1, 1, 2), np.float32)})
        >>> encoded = encode_gallery(Gallery(np.ones((1, 1, 2, 3), np.float32), {"Slic": ids}, {"IG": maps}, ["net"]))
        >>> encoded["pooled"]
        {'IG': {'Slic': {'after': [[[1.0, 1.0]]]}}}
    """
    shown: list[int] = []
    size = 0
    for photo in _by_agreement(gallery):
        size += _photo_size(gallery, photo)
        if size > budget:
            break
        shown.append(photo)
    pooled: dict[str, dict[str, dict[str, object]]] = {}
    for method, maps in gallery.maps.items():
        for (name, order), values in maps.pooled.items():
            ids = gallery.segments.get(name)
            lists = (
                [[_png(_bytes(model[photo])) for photo in shown] for model in values]
                if ids is None
                else [[_segment_values(ids[photo], model[photo]) for photo in shown] for model in values]
            )
            pooled.setdefault(method, {}).setdefault(name, {})[order] = lists
    return {
        "photos": [photo_uri(gallery.photos[photo]) for photo in shown],
        "numbers": [photo + 1 for photo in shown],
        "agreement": _agreements(gallery, shown),
        "models": list(gallery.models),
        "segments": {name: [_png(_ids(ids[photo])) for photo in shown] for name, ids in gallery.segments.items()},
        "pixel": {
            name: [[_png(_bytes(model[photo])) for photo in shown] for model in maps.pixel]
            for name, maps in gallery.maps.items()
        },
        "given": {name: maps.given for name, maps in gallery.maps.items()},
        "pooled": pooled,
        "left_out": len(gallery.photos) - len(shown),
    }


def photo_uri(photo: NDArray[np.float32]) -> str:
    """Encode a photo (H, W, 3) in [0, 1] as the `data:` address of a PNG file.

    Example:
        >>> photo_uri(np.ones((1, 1, 3), np.float32))[:22]
        'data:image/png;base64,'
    """
    return _png(_bytes(photo))


def map_uri(saliency: NDArray[np.float32]) -> str:
    """Encode a map (H, W) in [0, 1] in colors as the `data:` address of a PNG file.

    Example:
        >>> map_uri(np.ones((1, 1), np.float32))[:22]
        'data:image/png;base64,'
    """
    return _png(_bytes(mpl.colormaps[COLOURS](_bytes(saliency))[..., :3]))


def _by_agreement(gallery: Gallery) -> list[int]:
    """Sort photos by the agreement of the first method's pixel maps, the least first; unknown ones come last."""
    agreement = gallery.agreement_as_given(next(iter(gallery.maps), ""))
    photos = range(len(gallery.photos))
    return list(photos) if agreement is None else sorted(photos, key=lambda photo: _last(float(agreement[photo])))


def _last(value: float) -> float:
    return math.inf if math.isnan(value) else value


def _agreements(gallery: Gallery, shown: Sequence[int]) -> dict[str, dict[str, dict[str, list[float | None]]]]:
    found: dict[str, dict[str, dict[str, list[float | None]]]] = {}
    for method, kinds in gallery.agreement.items():
        for (partition, order), values in kinds.items():
            # JSON has no NaN
            known = [None if math.isnan(values[photo]) else round(float(values[photo]), 4) for photo in shown]
            found.setdefault(method, {}).setdefault(partition, {})[order] = known
    return found


def _photo_size(gallery: Gallery, photo: int) -> int:
    size = len(_png(_bytes(gallery.photos[photo])))
    size += sum(len(_png(_ids(ids[photo]))) for ids in gallery.segments.values())
    for maps in gallery.maps.values():
        size += sum(len(_png(_bytes(model[photo]))) for model in maps.pixel)
        for (name, _), values in maps.pooled.items():
            if name in gallery.segments:
                # "0.1234, " for each segment
                size += 8 * len(maps.pixel) * int(gallery.segments[name][photo].max() + 1)
            else:
                size += sum(len(_png(_bytes(model[photo]))) for model in values)
    return size


def _segment_values(ids: NDArray[np.int64], values: NDArray[np.float32]) -> list[float]:
    _, first = np.unique(ids, return_index=True)
    return [round(float(value), 4) for value in values.ravel()[first]]


def _bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    return (np.clip(values, 0, 1) * 255).round().astype(np.uint8)


def _ids(ids: NDArray[np.int64]) -> NDArray[np.uint8]:
    # browsers decode pictures with 8 bits per channel, so an id takes two channels
    return np.stack([ids % 256, ids // 256, np.zeros_like(ids)], axis=-1).astype(np.uint8)


def _png(pixels: NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return data_uri(file.getvalue())


def data_uri(png: bytes) -> str:
    """Encode a PNG file as a `data:` address.

    Example:
        >>> data_uri(b"PNG")
        'data:image/png;base64,UE5H'
    """
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
