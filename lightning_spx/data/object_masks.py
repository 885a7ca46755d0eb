"""Stub of the reader of masks: today's masks of birds under the name that they will have."""

from pathlib import Path

from torch import Tensor

from lightning_spx.data.bird_images import read_mask


def read_object_mask(
    path: Path, size: tuple[int, int], image: str, frame: int | None = None, labels: list[str] | None = None
) -> Tensor:
    """Return a mask as fractions `(H, W)` in [0, 1], float32."""
    return read_mask(path, size)
