"""Reads the official text files of CUB-200-2011, which describe each photo."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class BirdPhoto:
    """A photo that the data set lists.

    Args:
        name: path below `images/`.
        species: number in `classes.txt`, from 1.
        training: whether it belongs to the official training half.
        box: left, top, width and height of the bird, as fractions of the photo's width and height if the sizes of the
            photos are listed, otherwise in pixels; None if there are no boxes.
        relative: whether the box is given in fractions.
    """

    name: str
    species: int
    training: bool
    box: Box | None
    relative: bool


def read_species(root: Path) -> dict[int, str]:
    """Return the names of all species by number, such as `001.Black_footed_Albatross`.

    Raises:
        FileNotFoundError: `classes.txt` does not exist.
        ValueError: a line is not a number and a name.
    """
    return {number: words[0] for number, words in _table(root / "classes.txt", 1).items()}


def read_photos(root: Path) -> list[BirdPhoto]:
    """Return all photos that the official files list, in their order, whether or not the image files exist.

    If photos were resized, `image_sizes.txt` (number, original width and height, present width and height) says how,
    because boxes are in original pixels.

    Raises:
        FileNotFoundError: one of the files does not exist.
        ValueError: a line is malformed, or the files do not list the same photos.
    """
    names = _table(root / "images.txt", 1)
    species = _numbers(root / "image_class_labels.txt", 1, names)
    training = _numbers(root / "train_test_split.txt", 1, names)
    boxes = _numbers(root / "bounding_boxes.txt", 4, names) if (root / "bounding_boxes.txt").is_file() else {}
    listed = root / "image_sizes.txt"
    # the sizes of missing photos may be missing too
    sizes = _numbers(listed, 4, None) if listed.is_file() else {}
    photos = []
    for number, (name,) in names.items():
        box: Box | None = None
        if number in boxes:
            left, top, width, height = boxes[number]
            box = (left, top, width, height)
            if number in sizes:
                across, down = sizes[number][:2]
                if not (across > 0 and down > 0):  # a NaN is neither
                    raise ValueError(f"Expected a positive size of photo {number} in {listed}, got {across}, {down}.")
                box = (left / across, top / down, width / across, height / down)
        photos.append(BirdPhoto(name, int(species[number][0]), bool(training[number][0]), box, number in sizes))
    return photos


def choose_species(species: dict[int, str], classes: Sequence[str] | None) -> list[int]:
    """Return the numbers of the species that the user names, in the order of the data set.

    Args:
        species: names by number.
        classes: names as in `classes.txt` or without their number, or numbers; None chooses all.

    Raises:
        ValueError: a species does not exist or is named twice.

    Example:
        >>> choose_species({1: "001.Jay", 2: "002.Owl", 3: "003.Kite"}, ["Kite", "1"])
        [1, 3]
    """
    if classes is None:
        return sorted(species)
    known = {spelling: number for number, name in species.items() for spelling in _spellings(number, name)}
    unknown = [name for name in classes if name not in known]
    if unknown:
        raise ValueError(f"Expected `classes` to name species of classes.txt, got {', '.join(unknown[:5])}.")
    chosen = [known[name] for name in classes]
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"Expected `classes` to name each species once, got {len(chosen) - len(set(chosen))} again.")
    return sorted(chosen)


def _spellings(number: int, name: str) -> tuple[str, str, str]:
    return str(number), name, name.partition(".")[2] or name


def _table(path: Path, columns: int) -> dict[int, list[str]]:
    """Read lines of a number and `columns` words; the last word may contain spaces."""
    if not path.is_file():
        raise FileNotFoundError(f"Expected {path}, one of the files of CUB-200-2011: set `root` to its folder.")
    rows: dict[int, list[str]] = {}
    for line, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if not text.strip():
            continue
        words = text.split(maxsplit=columns)
        if len(words) != columns + 1 or not words[0].isdecimal() or int(words[0]) in rows:
            raise ValueError(f"Expected a new number and {columns} values in line {line} of {path}, got {text[:60]!r}.")
        rows[int(words[0])] = [word.strip() for word in words[1:]]
    return rows


def _numbers(path: Path, columns: int, listed: dict[int, list[str]] | None) -> dict[int, list[float]]:
    """Read a table of numbers that should list the same photos as `images.txt`."""
    rows = _table(path, columns)
    if listed is not None and rows.keys() != listed.keys():
        odd = sorted(rows.keys() ^ listed.keys())[0]
        raise ValueError(f"Expected {path} to list the photos of images.txt, but only one of the two lists {odd}.")
    found: dict[int, list[float]] = {}
    for number, words in rows.items():
        try:
            found[number] = [float(word) for word in words]
        except ValueError as error:
            raise ValueError(f"Expected numbers for photo {number} in {path}, got {' '.join(words)!r}.") from error
    return found
