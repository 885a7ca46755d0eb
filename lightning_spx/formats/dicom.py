"""Reads DICOM files."""

from pathlib import Path

from lightning_spx.formats.stored_image import StoredImage


def is_dicom(beginning: bytes) -> bool:
    """Return whether a file that begins so is DICOM."""
    return beginning[128:132] == b"DICM"


def read_dicom(path: Path, frame: int | None) -> StoredImage:
    """Return the image of a DICOM file."""
    raise ValueError("it is DICOM.")
