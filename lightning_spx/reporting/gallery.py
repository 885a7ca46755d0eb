"""Encodes example photos and the maps of every model for a page, small enough for one file."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# bytes of the encoded gallery, so that figures and tables fit beside it into a page of 8 MB
BUDGET = 4_500_000


@dataclass(frozen=True)
class MethodMaps:
    """The maps of one method.

    Args:
        pixel: (M, n, H, W) saliency in [0, 1] of M models for n photos.
        pooled: (M, n, H, W), constant on segments, by (segmenter, magnitude order).

    Example:
        >>> maps = np.ones((2, 1, 4, 4), np.float32)
        >>> list(MethodMaps(maps, {("Slic", "after"): maps}).pooled)
        [('Slic', 'after')]
    """

    pixel: NDArray[np.float32]
    pooled: Mapping[tuple[str, str], NDArray[np.float32]]


@dataclass(frozen=True)
class Gallery:
    """Photos with their segments and maps.

    Args:
        photos: (n, H, W, 3) in [0, 1].
        segments: (n, H, W) ids from 0 of each segmenter, by name.
        maps: of each method, by name.
        models: names of the M models.

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


def encode_gallery(gallery: Gallery, budget: int = BUDGET) -> dict[str, object]:
    """Encode a gallery as plain values: pictures as PNG files in text, and a number for each segment.

    Args:
        gallery: photos, segments and maps.
        budget: size in bytes; photos that do not fit are left out, the last ones first.

    Returns:
        `photos`, `models`, `segments[segmenter][photo]` (PNG, id = red + 256 green), `pixel[method][model][photo]`
        (PNG, saliency times 255), `pooled[method][segmenter][order][model][photo]` (a list, the saliency of each
        segment), and `left_out`, the number of photos that did not fit.

    Example:
        >>> ids = np.array([[[0, 1]]])
        >>> maps = MethodMaps(np.ones((1, 1, 1, 2), np.float32), {("Slic", "after"): np.ones((1, 1, 1, 2), np.float32)})
        >>> encoded = encode_gallery(Gallery(np.ones((1, 1, 2, 3), np.float32), {"Slic": ids}, {"IG": maps}, ["net"]))
        >>> encoded["pooled"]
        {'IG': {'Slic': {'after': [[[1.0, 1.0]]]}}}
    """
    count, size = 0, 0
    for photo in range(len(gallery.photos)):
        size += _photo_size(gallery, photo)
        if size > budget:
            break
        count += 1
    shown = range(count)
    pooled: dict[str, dict[str, dict[str, list[list[list[float]]]]]] = {}
    for method, maps in gallery.maps.items():
        for (segmenter, order), values in maps.pooled.items():
            lists = [
                [_segment_values(gallery.segments[segmenter][photo], model[photo]) for photo in shown]
                for model in values
            ]
            pooled.setdefault(method, {}).setdefault(segmenter, {})[order] = lists
    return {
        "photos": [_png(_bytes(gallery.photos[photo])) for photo in shown],
        "models": list(gallery.models),
        "segments": {name: [_png(_ids(ids[photo])) for photo in shown] for name, ids in gallery.segments.items()},
        "pixel": {
            name: [[_png(_bytes(model[photo])) for photo in shown] for model in maps.pixel]
            for name, maps in gallery.maps.items()
        },
        "pooled": pooled,
        "left_out": len(gallery.photos) - count,
    }


def _photo_size(gallery: Gallery, photo: int) -> int:
    size = len(_png(_bytes(gallery.photos[photo])))
    size += sum(len(_png(_ids(ids[photo]))) for ids in gallery.segments.values())
    for maps in gallery.maps.values():
        size += sum(len(_png(_bytes(model[photo]))) for model in maps.pixel)
        for segmenter, _ in maps.pooled:
            # "0.1234, " for each segment
            size += 8 * len(maps.pixel) * int(gallery.segments[segmenter][photo].max() + 1)
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
