"""A few photos in the layout of CUB-200-2011, made at test time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (24, 32)  # height, width
BOX = (8.0, 4.0, 16.0, 12.0)  # left, top, width, height
SPECIES = ("001.Jay", "002.Owl", "003.Kite")


def make_birds(
    root: Path, per_species: int = 6, present: tuple[int, ...] = (1, 2), names: Sequence[str] = SPECIES
) -> Path:
    """Write photos of noise with a mask that is the box; of species that are not present only the names are listed."""
    generator = np.random.default_rng(0)
    lines: dict[str, list[str]] = {name: [] for name in ("images", "image_class_labels", "train_test_split")}
    lines |= {"bounding_boxes": [], "classes": [f"{number} {name}" for number, name in enumerate(names, 1)]}
    number = 0
    for species, name in enumerate(names, start=1):
        for photo in range(per_species):
            number += 1
            lines["images"].append(f"{number} {name}/{photo}.jpg")
            lines["image_class_labels"].append(f"{number} {species}")
            lines["train_test_split"].append(f"{number} {int(photo % 3 > 0)}")
            lines["bounding_boxes"].append(f"{number} {' '.join(map(str, BOX))}")
            if species not in present:
                continue
            for folder in ("images", "segmentations"):
                (root / folder / name).mkdir(parents=True, exist_ok=True)
            pixels = generator.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / "images" / name / f"{photo}.jpg", quality=95)
            Image.fromarray(box_pixels()).save(root / "segmentations" / name / f"{photo}.png")
    for file, content in lines.items():
        (root / f"{file}.txt").write_text("\n".join(content) + "\n")
    return root


def box_pixels() -> np.ndarray:
    """The mask of every photo, 0 or 255."""
    left, top, width, height = (int(value) for value in BOX)
    mask = np.zeros(SIZE, np.uint8)
    mask[top : top + height, left : left + width] = 255
    return mask
