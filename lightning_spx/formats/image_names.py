"""Finds a photo among the names that a file of annotations has for its photos."""

from collections.abc import Collection

SHOWN = 3


def plain_name(name: str) -> str:
    r"""Return a path with slashes, as Windows' tools write backslashes, and without a leading './'.

    Example:
        >>> plain_name(".\\birds\\jay.jpg")
        'birds/jay.jpg'
    """
    name = name.replace("\\", "/")
    return name[2:] if name.startswith("./") else name


def find_name(image: str, names: Collection[str]) -> str:
    """Return the name of a photo: the same one, or the only one that ends like it.

    `jay.jpg` and `birds/jay.jpg` are one photo, if no other of the names is `jay.jpg` in some folder; `val/jay.jpg` and
    `train/jay.jpg` never are.

    Args:
        image: the photo's file name or path.
        names: the names in the file.

    Raises:
        ValueError: there is none, or more than one.

    Example:
        >>> find_name("photos/birds/jay.jpg", ["birds/jay.jpg", "robin.jpg"])
        'birds/jay.jpg'
    """
    if image in names:
        return image
    wanted = f"/{plain_name(image)}"
    last = wanted.rsplit("/", 1)[-1]
    # a file may name a hundred thousand photos, and is asked for each of them
    near = [name for name in names if name.endswith(last)]
    found = [name for name in near if f"/{plain_name(name)}" == wanted]
    if not found:
        found = [name for name in near if _ends_alike(wanted, f"/{plain_name(name)}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"it has {len(found)} photos that {image} may be, such as {found[0]} and {found[1]}.")
    some = ", ".join([*near, *(name for name in names if name not in near)][:SHOWN]) or "none"
    raise ValueError(f"it does not name {image} among its {len(names)} photos: {some}{', ...' * (len(names) > SHOWN)}")


def same_stem(image: str, name: str) -> bool:
    r"""Return whether two paths name one photo, whose ending may have changed with its format.

    Example:
        >>> same_stem("birds/jay.png", "..\\raw\\jay.bmp"), same_stem("jay.png", "robin.png")
        (True, False)
    """
    return _stem(image) == _stem(name)


def _stem(name: str) -> str:
    return plain_name(name).rsplit("/", 1)[-1].rsplit(".", 1)[0]


def _ends_alike(first: str, second: str) -> bool:
    return first.endswith(second) or second.endswith(first)
