"""Finds the files and folders of a data set, and warns in one line of those that are skipped."""

import os
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

# endings of files that are meant as images; their content decides what they are
EXTENSIONS = frozenset(
    {".apng", ".bmp", ".dib", ".gif", ".jfi", ".jfif", ".jif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm"}
    | {".ppm", ".tif", ".tiff", ".webp", ".j2c", ".j2k", ".jp2", ".jpc", ".dcm", ".dicom", ".nii", ".nii.gz"}
)
# endings of files with another number of channels than photos
BAND_EXTENSIONS = frozenset({".npy", ".tif", ".tiff"})
BEGINNINGS = (
    *(b"BM", b"GIF8", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"),
    *(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"RIFF", b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
)
# DICOM has its signature behind a preamble; the index of a folder of such files has it, too
PREAMBLE, DICOM = 128, b"DICM"
DICOM_INDEX = "DICOMDIR"
# files that file managers leave behind
NO_ONES = frozenset({"desktop.ini", "ehthumbs.db", "thumbs.db"})
NAMED = 5


def class_folders(folder: Path) -> list[Path]:
    """Return the folders of the classes, sorted by name.

    Raises:
        ValueError: if there is no such folder.
    """
    found = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not found:
        raise ValueError(f"Expected {folder} to hold one folder per class, got none: it holds {contents(folder)}.")
    return found


def image_paths(folder: Path, channels: int = 3) -> list[Path]:
    """Return the image files directly in a folder, sorted by name.

    Args:
        folder: the folder.
        channels: number of channels that the images have, as for `is_image`.

    Raises:
        ValueError: if there is none.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("b.JPG", "a.jfif", "c.heic"):
        ...         Path(folder, name).touch()
        ...     [path.name for path in image_paths(Path(folder))]
        ['a.jfif', 'b.JPG']
    """
    found = sorted(path for path in folder.iterdir() if is_image(path, channels))
    if not found:
        endings = ", ".join(sorted(_extensions(channels)))
        raise ValueError(f"Expected {folder} to hold images ({endings}), got none: it holds {contents(folder)}.")
    return found


def is_image(path: Path, channels: int = 3) -> bool:
    """Return whether a path has the ending of an image file, or has no ending and starts with an image's bytes.

    Args:
        path: the path.
        channels: number of channels: 1 and 3 are photos, and other numbers are in NumPy's `.npy` and in TIFF files.

    Scanners write DICOM files without an ending, or with the number of a slice in its place, so such a file counts by
    its content as well.

    Example:
        >>> is_image(Path("field.npy")), is_image(Path("field.npy"), channels=10), is_image(Path("a.JPG"), channels=10)
        (False, True, False)
    """
    ending = ending_of(path)
    if ending in _extensions(channels) or channels not in (1, 3):
        return ending in _extensions(channels)
    # a unique identifier of DICOM, such as 1.2.840.10008, looks like an ending of digits
    if (ending and not ending[1:].isdigit()) or path.name.startswith(".") or path.name == DICOM_INDEX:
        return False
    if not path.is_file() or not os.access(path, os.R_OK):
        return False
    with path.open("rb") as file:
        beginning = file.read(PREAMBLE + len(DICOM))
    return beginning[PREAMBLE:] == DICOM or (not ending and beginning.startswith(BEGINNINGS))


def ending_of(path: Path) -> str:
    """Return the ending of a file's name in small letters, of a packed volume both of them.

    Example:
        >>> ending_of(Path("brain.T1.NII.GZ")), ending_of(Path("a.b.png")), ending_of(Path("wood"))
        ('.nii.gz', '.png', '')
    """
    name = path.name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else path.suffix.lower()


def stem_of(path: Path) -> str:
    """Return the name of a file without its ending.

    Example:
        >>> stem_of(Path("brain.T1.nii.gz")), stem_of(Path("a.b.png"))
        ('brain.T1', 'a.b')
    """
    return path.name[: len(path.name) - len(ending_of(path))]


def _extensions(channels: int) -> frozenset[str]:
    return EXTENSIONS if channels in (1, 3) else BAND_EXTENSIONS


def contents(folder: Path) -> str:
    """Describe what is directly in a folder, for an error that expected something else there.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "Train").mkdir()
        ...     Path(folder, "1.jpg").touch()
        ...     contents(Path(folder))
        '1 .jpg, the folder Train'
    """
    there = sorted(path for path in folder.iterdir() if not _is_no_ones(path)) if folder.is_dir() else []
    folders = [path.name for path in there if path.is_dir()]
    said = [_counted(Counter(_ending(path) for path in there if not path.is_dir()))]
    if folders:
        more = f" and {len(folders) - NAMED} more" if len(folders) > NAMED else ""
        said.append(f"the folder{'s' if folders[1:] else ''} {', '.join(folders[:NAMED])}{more}")
    return ", ".join(filter(None, said)) or "nothing"


def others_in(folder: Path, used: Sequence[Path]) -> list[Path]:
    """Return what is directly in a folder and neither used nor hidden, sorted by name."""
    return sorted(path for path in set(folder.iterdir()).difference(used) if not _is_no_ones(path))


def warn_of_others(others: Iterable[Path]) -> None:
    """Warn once of all unused files by kind: other formats, and images in folders that are not searched.

    Args:
        others: unused files, and folders whose images are counted.
    """
    kinds: Counter[str] = Counter()
    first = ""
    for path in others:
        here = [f"{ending} in folders below" for ending in _below(path)] if path.is_dir() else [_ending(path)]
        kinds.update(here)
        first = first or (str(path) if here else "")
    if kinds:
        warnings.warn(
            f"Left out {kinds.total()} files beside the images: {_counted(kinds)}. The first is {first}.", stacklevel=3
        )


def _below(folder: Path) -> list[str]:
    """Return the ending of each image in a folder and below."""
    found = (Path(place, name) for place, _, names in os.walk(folder) for name in names)
    return [_ending(path) for path in found if is_image(path)]


def _counted(kinds: Counter[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())


def _ending(path: Path) -> str:
    return ending_of(path) or "without an ending"


def _is_no_ones(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower() in NO_ONES
