"""A small segmenter, and the files of a cache."""

from pathlib import Path

from lightning_spx.superpixels import Slic

SLIC = Slic(n_segments=20)


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())
