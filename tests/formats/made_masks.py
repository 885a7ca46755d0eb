"""Masks that are known by construction, and how other tools write them."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco

SIZE = (12, 17)
Flags = NDArray[np.bool_]
Encode = Callable[[Flags], dict[str, Any]]


def letter() -> Flags:
    """A mask that looks different when it is turned, mirrored or transposed."""
    mask = np.zeros(SIZE, np.bool_)
    mask[2:9, 3:5] = mask[2:4, 3:9] = mask[5, 3:7] = True
    mask[10, 15] = True
    return mask


def blocks() -> list[Flags]:
    """A large block, a small one inside it, and one apart."""
    masks = [np.zeros(SIZE, np.bool_) for _ in range(3)]
    masks[0][1:9, 2:10] = masks[1][3:6, 4:7] = masks[2][10:, 12:] = True
    return masks


def compressed(mask: Flags) -> dict[str, Any]:
    found = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": [int(side) for side in found["size"]], "counts": found["counts"].decode()}


def uncompressed(mask: Flags) -> dict[str, Any]:
    """As Segment Anything writes it: down the columns, first the background."""
    flat = mask.ravel(order="F")
    ends = np.flatnonzero(np.diff(flat, prepend=False, append=False) if flat[-1] else np.diff(flat, prepend=False))
    counts = np.diff(np.concatenate([[0], ends, [] if flat[-1] else [flat.size]])).astype(int).tolist()
    return {"size": list(mask.shape), "counts": counts}


def coco_file(path: Path, segmentations: list[Any], **changes: object) -> Path:
    """A file of COCO for two photos of one size; all segmentations are of the first one, jay and robin in turn."""
    content: dict[str, Any] = {
        "images": [
            {"id": 7, "file_name": "birds/jay.jpg", "height": SIZE[0], "width": SIZE[1]},
            {"id": 9, "file_name": "birds/none.jpg", "height": SIZE[0], "width": SIZE[1]},
        ],
        "categories": [{"id": 3, "name": "jay"}, {"id": 1, "name": "robin"}, {"id": 8, "name": "owl"}],
        "annotations": [
            {"id": 40 + at, "image_id": 7, "category_id": (3, 1)[at % 2], "segmentation": each, "iscrowd": 0}
            for at, each in enumerate(segmentations)
        ],
    }
    path.write_text(json.dumps(content | changes))
    return path


def sam_masks(masks: list[Flags], encode: Encode = compressed) -> list[dict[str, Any]]:
    found = []
    for mask in masks:
        box = coco.toBbox(coco.encode(np.asfortranarray(mask.astype(np.uint8)))).tolist()
        found.append(
            {
                "segmentation": encode(mask),
                "area": int(mask.sum()),
                # SAM's boxes are a pixel narrower and lower than those of pycocotools
                "bbox": [box[0], box[1], max(0, box[2] - 1), max(0, box[3] - 1)],
                "predicted_iou": 0.98,
                "point_coords": [[4.5, 5.5]],
                "stability_score": 0.97,
                "crop_box": [0, 0, SIZE[1], SIZE[0]],
            }
        )
    return found


def labelme_file(path: Path, shapes: list[dict[str, Any]], **changes: object) -> Path:
    content: dict[str, Any] = {
        "version": "5.5.0",
        "flags": {},
        "shapes": [{"label": "jay", "group_id": None, "flags": {}, **shape} for shape in shapes],
        "imagePath": "..\\photos\\jay.jpg",
        "imageData": None,
        "imageHeight": SIZE[0],
        "imageWidth": SIZE[1],
    }
    path.write_text(json.dumps(content | changes))
    return path


def png(values: NDArray[Any]) -> str:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def row_lengths(mask: Flags) -> str:
    """As CVAT writes it: along the rows, first the background."""
    lengths, value = [0], False
    for pixel in mask.ravel():
        if pixel != value:
            lengths.append(0)
            value = bool(pixel)
        lengths[-1] += 1
    return ", ".join(map(str, lengths))


def cvat_file(path: Path, shapes: str, size: tuple[int, int] = SIZE, beside: str = "") -> Path:
    path.write_text(
        f"""<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<meta><task><labels><label><name>jay</name><attributes/></label><label><name>robin</name></label></labels></task></meta>
<image id="0" name="birds/jay.jpg" width="{size[1]}" height="{size[0]}">{shapes}</image>
<image id="1" name="birds/none.jpg" width="{size[1]}" height="{size[0]}"/>{beside}
</annotations>"""
    )
    return path
