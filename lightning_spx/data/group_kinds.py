"""Which images belong together: photos of one patient, one scene or one capture."""

import hashlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

Integers = NDArray[np.int64]


def checked_groups(groups: ArrayLike, num_images: int) -> Integers:
    """Return the number of each image's group, in the order in which the groups appear.

    Args:
        groups: name or number of each image's group, `(n,)` text or integers.
        num_images: the number n of images.

    Returns:
        `(n,)`; the first image has number 0.

    Raises:
        TypeError: if the groups are neither text nor integers.
        ValueError: if there are not as many as images, or a name is empty.

    Example:
        >>> checked_groups(["p7", "p2", "p7"], 3).tolist()
        [0, 1, 0]
    """
    values = np.asarray(groups)
    if values.shape != (num_images,):
        raise ValueError(f"Expected `groups` of shape ({num_images},), one for each image, got {values.shape}.")
    if values.dtype == object:
        odd = [position for position, value in enumerate(values) if not isinstance(value, str)]
        if odd:
            raise TypeError(
                f"Expected `groups` to be text or integers, got {values[odd[0]]!r} for image {odd[0]}: give every "
                "image a group."
            )
        values = values.astype(np.str_)
    if not (np.issubdtype(values.dtype, np.integer) or np.issubdtype(values.dtype, np.str_)):
        raise TypeError(f"Expected `groups` to be text or integers, got {values.dtype}.")
    if np.issubdtype(values.dtype, np.str_) and (values == "").any():
        raise ValueError(
            f"Expected `groups` to name a group for every image, got an empty name for image "
            f"{int((values == '').argmax())}: give images without a group names of their own."
        )
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    rank = np.empty(first.size, np.int64)
    rank[np.argsort(first)] = np.arange(first.size)
    return rank[inverse.reshape(-1)]


def groups_hash(groups: ArrayLike) -> str:
    """Return the SHA-256 of which images belong together, whatever the names of the groups, the same on every machine.

    Example:
        >>> groups_hash(["a", "b", "a"]) == groups_hash([9, 3, 9]), groups_hash([0, 1, 1]) == groups_hash([0, 1, 0])
        (True, False)
    """
    return hashlib.sha256(checked_groups(groups, len(np.asarray(groups))).astype("<i8").tobytes()).hexdigest()


def groups_in_several(groups: Integers, parts: list[Integers]) -> Integers:
    """Return the numbers of the groups that have images in more than one part.

    Args:
        groups: `(n,)` numbers as `checked_groups` gives them.
        parts: indices of images, one array per part.

    Example:
        >>> groups_in_several(np.array([0, 0, 1]), [np.array([0]), np.array([1, 2])]).tolist()
        [0]
    """
    own = [np.unique(groups[part]) for part in parts]
    names, counts = np.unique(np.concatenate([np.empty(0, np.int64), *own]), return_counts=True)
    return names[counts > 1]
