"""Reads NIfTI files."""

from pathlib import Path

from lightning_spx.formats.stored_image import StoredImage


def is_nifti(path: Path) -> bool:
    """Return whether a file is NIfTI."""
    return False


def read_nifti(path: Path, frame: int | None) -> StoredImage:
    """Return a slice of a NIfTI file."""
    raise ValueError("it is NIfTI.")
