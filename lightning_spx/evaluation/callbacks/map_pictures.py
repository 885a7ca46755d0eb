"""Draws images beside their segments and maps, as one picture or as the cells of a table."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.evaluation.callbacks.agreement import common_items, pooled_maps, row_name
from lightning_spx.evaluation.callbacks.explained_images import ExplainedImages
from lightning_spx.evaluation.callbacks.pipeline import Outcome
from lightning_spx.evaluation.maps.findings import Items
from lightning_spx.evaluation.maps.model_maps import ModelMaps
from lightning_spx.reporting import map_grid, outline_segments, picture_of
from lightning_spx.runs.example_maps import spread_positions

CAPTION_SIZE = 128
CAPTION_FONT = 14


def panels(outcome: Outcome, explained: ExplainedImages, magnitude: Magnitude) -> dict[str, NDArray[np.uint8]]:
    """Draw a few maps for each method: images, segments, this model's maps and those of the first other model.

    Each row is an image, or a finding on an image, which the first column names.
    """
    own, other = outcome.maps, next(iter(outcome.others.values()), None)
    heading = next(iter(outcome.others), "")
    items, rows, rows_of_other = own.items, torch.arange(len(own.preds)), torch.arange(len(own.preds))
    if items is not None:
        rows = rows_of_other = torch.arange(len(items))
        if other is not None and other.items is not None:
            both, first, second = common_items(items, other.items)
            # two models may explain other findings
            other = other if len(both) else None
            items, rows, rows_of_other = (both, first, second) if len(both) else (items, rows, rows)
    if not len(rows):
        return {}
    chosen = torch.tensor(spread_positions(len(rows)))
    if items is not None:
        items = Items(items.image[chosen], items.finding[chosen], items.findings)
    image = chosen if items is None else items.image
    photos = explained.photos[image]
    outlined = {name: outline_segments(photos, segments[image]) for name, segments in explained.segments.items()}
    pictures = {}
    for method, attribution in own.attributions.items():
        columns: dict[str, Tensor] = {"image": photos, **outlined}
        columns |= _columns(attribution[rows[chosen]], image, method, "", explained, magnitude)
        if other is not None and method in other.attributions:
            theirs = other.attributions[method][rows_of_other[chosen]]
            columns |= _columns(theirs, image, method, f", {heading}", explained, magnitude)
        if items is not None:
            columns["finding"] = captions([items.findings[number] for number in items.finding.tolist()])
        pictures[method] = map_grid(columns)
    return pictures


def _columns(
    attribution: Tensor, image: Tensor, method: str, ending: str, explained: ExplainedImages, magnitude: Magnitude
) -> dict[str, Tensor]:
    # maps of some images are pooled like maps of items
    items = Items(image, torch.zeros_like(image), ("",))
    pooled = pooled_maps(attribution, explained, magnitude, items)
    return {f"{row_name(method, name)}{ending}": maps for name, maps in pooled.items()}


def captions(words: Sequence[str]) -> Tensor:
    """Draw words as pictures, (n, 3, H, W) in [0, 1], black on white.

    Example:
        >>> captions(["wing", "crest"]).shape
        torch.Size([2, 3, 128, 128])
    """
    font = ImageFont.load_default(CAPTION_FONT)
    pictures = []
    for text in words:
        canvas = Image.new("RGB", (CAPTION_SIZE, CAPTION_SIZE), "white")
        draw = ImageDraw.Draw(canvas)
        lines: list[str] = []
        line = ""
        for word in text.split():
            longer = f"{line} {word}".strip()
            fits = draw.textlength(longer, font=font) <= CAPTION_SIZE
            lines, line = (lines, longer) if fits or not line else ([*lines, line], word)
        draw.multiline_text((0, CAPTION_SIZE // 3), "\n".join([*lines, line]), fill="black", font=font)
        pictures.append(torch.from_numpy(np.asarray(canvas).copy()).permute(2, 0, 1).float() / 255)
    return torch.stack(pictures)


def picture_cells(
    maps: ModelMaps, explained: ExplainedImages, magnitude: Magnitude
) -> dict[str, list[NDArray[np.uint8]]]:
    """Draw the image of every map and the map as separate pictures."""
    image = torch.arange(len(maps.preds)) if maps.items is None else maps.items.image
    photos = explained.photos[image]
    cells = {"image": [picture_of(photo) for photo in photos]}
    for name, segments in explained.segments.items():
        cells[name] = [picture_of(photo) for photo in outline_segments(photos, segments[image])]
    for method, attribution in maps.attributions.items():
        for name, pooled in pooled_maps(attribution, explained, magnitude, maps.items).items():
            cells[row_name(method, name)] = [picture_of(one) for one in pooled]
    return cells
