"""A few images of a study with their segments and attributions, so that pictures can be drawn from files alone.

What filters make of the attributions is kept too, because `spx report` cannot filter.

All are NumPy arrays, because `spx report` reads them and starts without torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lightning_spx.runs.files import file_name, write_arrays
from lightning_spx.runs.reading import refusing_damage

NUM_EXAMPLES = 6
# of the names of arrays; the order of pooling and taking magnitudes follows
FILTERED = "filtered-"


@dataclass(frozen=True)
class Examples:
    """Example images of a study with their maps under one method.

    Args:
        images: (n, C, H, W) in [0, 1]: the explained ones, or their colors.
        segments: (n, H, W) ids of each segmenter, by name.
        attributions: (M, n, C, H, W) of M models; their number of channels may be another than the images'.
        filtered: (M, n, H, W) saliency maps in [0, 1] after each filter, by order and name: `filtered["after"][name]`;
            empty in files of earlier versions, which had none.
    """

    images: NDArray[np.float32]
    segments: Mapping[str, NDArray[np.int64]]
    attributions: NDArray[np.float32]
    filtered: Mapping[str, Mapping[str, NDArray[np.float32]]] = field(default_factory=dict)

    @staticmethod
    def path(run: Path, method: str) -> Path:
        """Return where a run's folder keeps the examples of a method."""
        return run / "examples" / f"{file_name(method)}.npz"

    def save(self, path: Path) -> None:
        """Write the examples to a compressed `.npz` file, whole or not at all."""
        arrays: dict[str, NDArray[np.generic]] = {
            f"segments/{name}": value.astype(np.int32) for name, value in self.segments.items()
        }
        for order, maps in self.filtered.items():
            arrays |= {f"{FILTERED}{order}/{name}": value for name, value in maps.items()}
        write_arrays(path, arrays | {"images": self.images, "attributions": self.attributions})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ValueError: the file is damaged; the error names it.
        """
        with refusing_damage(path, "examples of a run"):
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            segments: dict[str, NDArray[np.int64]] = {}
            filtered: dict[str, dict[str, NDArray[np.float32]]] = {}
            for key, values in arrays.items():
                kind, slash, name = key.partition("/")
                if kind.startswith(FILTERED):
                    filtered.setdefault(kind.removeprefix(FILTERED), {})[name] = values
                elif slash:
                    segments[name] = values.astype(np.int64)
            found = cls(arrays["images"], segments, arrays["attributions"], filtered)
        count, size = len(found.images), found.images.shape[-2:]
        fits = found.images.ndim == 4 and found.attributions.ndim == 5
        fits = fits and found.attributions.shape[1] == count and found.attributions.shape[-2:] == size
        fits = fits and all(each.shape == (count, *size) for each in segments.values())
        of_maps = (len(found.attributions), count, *size)
        if not fits or any(each.shape != of_maps for maps in filtered.values() for each in maps.values()):
            raise ValueError(f"Expected examples of a run in {path}, got arrays that do not belong together.")
        return found


def spread_positions(num_images: int, count: int = NUM_EXAMPLES) -> list[int]:
    """Choose `count` positions, or all, spread over images that are often sorted by class, so that several show.

    Example:
        >>> spread_positions(100)
        [0, 16, 33, 50, 66, 83]
    """
    count = min(count, num_images)
    return [position * num_images // count for position in range(count)]
