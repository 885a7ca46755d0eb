"""Finds in the path of each image which patient, scene or capture it belongs to."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def checked_expression(groups: str) -> str:
    r"""Return a regular expression that can be compiled, as it is.

    Raises:
        ValueError: if it cannot.

    Example:
        >>> checked_expression(r"patient(\d+)")
        'patient(\\d+)'
    """
    try:
        re.compile(groups)
    except re.error as error:
        raise ValueError(f"Expected `groups` to be a regular expression, got {groups!r}: {error}.") from error
    return groups


def groups_of_paths(paths: Iterable[Path], root: Path, groups: str) -> NDArray[np.str_]:
    r"""Return the name of each file's group: what an expression finds in its path below `root`.

    Args:
        paths: the files.
        root: folder that is left out of the paths.
        groups: a regular expression, searched anywhere in the path, which has `/` between folders. The name is the
            first capturing group or, if there is none, the whole match.

    Returns:
        `(n,)` names, none of them empty.

    Raises:
        ValueError: if the expression finds nothing in a path, because an image without a group might belong to any.

    Example:
        >>> files = [Path("data/train/ill/p07_1.png"), Path("data/train/ill/p07_2.png")]
        >>> groups_of_paths(files, Path("data"), r"/(p\d+)_").tolist()
        ['p07', 'p07']
    """
    compiled = re.compile(groups)
    names = []
    for path in paths:
        relative = path.relative_to(root).as_posix()
        found = compiled.search(relative)
        name = found[1 if compiled.groups else 0] if found else None
        if not name:
            raise ValueError(
                f"Expected `groups` to find the group of every image, but {groups!r} finds none in {relative}."
            )
        names.append(name)
    return np.array(names, np.str_)
