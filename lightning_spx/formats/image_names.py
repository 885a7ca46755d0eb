"""Finds a photo among the names that a file of annotations has for its photos."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import islice

SHOWN = 3


def plain_name(name: str) -> str:
    r"""Return a path with slashes, as Windows' tools write backslashes, and without a leading './'.

    Example:
        >>> plain_name(".\\birds\\jay.jpg")
        'birds/jay.jpg'
    """
    name = name.replace("\\", "/")
    return name[2:] if name.startswith("./") else name


class ImageNames:
    """The names that a file has for its photos, in which the name of a photo is found.

    Args:
        names: the names in the file.

    Example:
        >>> ImageNames(["birds/jay.jpg", "robin.jpg"]).find("photos/birds/jay.jpg")
        'birds/jay.jpg'
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = dict.fromkeys(names)
        # a file may name a hundred thousand photos, and is asked for each of them
        self._by_last: defaultdict[str, list[str]] = defaultdict(list)
        for name in self.names:
            self._by_last[_last(name)].append(name)
        self._taken: dict[str, str] = {}

    def find(self, image: str) -> str:
        """Return the name of a photo: the same one, or the only one that ends like it.

        `jay.jpg` and `birds/jay.jpg` are one photo, if no other of the names is `jay.jpg` in some folder; `val/jay.jpg`
        and `train/jay.jpg` never are, so the file's `jay.jpg` is only the one of them that was asked for first.

        Args:
            image: the photo's file name or path.

        Raises:
            ValueError: there is none, or more than one, or it is that of another photo.
        """
        name = image if image in self.names else self._alike(image)
        other = self._taken.setdefault(name, image)
        if not _ends_alike(f"/{plain_name(other)}", f"/{plain_name(image)}"):
            raise ValueError(f"its {name} was taken for {other}, and cannot be {image} as well: name its folder there.")
        return name

    def _alike(self, image: str) -> str:
        wanted = f"/{plain_name(image)}"
        near = self._by_last.get(_last(image), [])
        found = [name for name in near if f"/{plain_name(name)}" == wanted]
        if not found:
            found = [name for name in near if _ends_alike(wanted, f"/{plain_name(name)}")]
        if len(found) == 1:
            return found[0]
        if found:
            raise ValueError(f"it has {len(found)} photos that {image} may be, such as {found[0]} and {found[1]}.")
        some = ", ".join(dict.fromkeys([*near[:SHOWN], *islice(self.names, SHOWN)])) or "none"
        more = ", ..." if len(self.names) > SHOWN else ""
        raise ValueError(f"it does not name {image} among its {len(self.names)} photos: {some}{more}")


def same_stem(image: str, name: str) -> bool:
    r"""Return whether two paths name one photo, whose ending may have changed with its format.

    Example:
        >>> same_stem("birds/jay.png", "..\\raw\\jay.bmp"), same_stem("jay.png", "robin.png")
        (True, False)
    """
    return _stem(image) == _stem(name)


def _last(name: str) -> str:
    return plain_name(name).rsplit("/", 1)[-1]


def _stem(name: str) -> str:
    return _last(name).rsplit(".", 1)[0]


def _ends_alike(first: str, second: str) -> bool:
    return first.endswith(second) or second.endswith(first)
