"""Looks for what one set of images tells of another: a common group, or images that show the same."""

import numpy as np
from lightning.pytorch.utilities import rank_zero_warn
from numpy.typing import NDArray

from lightning_spx.data.labelled_images import LabelledImages
from lightning_spx.data.near_duplicates import MOST_PAIRS, alike_pairs, looks
from lightning_spx.data.split_plan import Split

Integers = NDArray[np.int64]
NAMED = 3


def check_common_groups(pool: NDArray[np.str_] | None, test: NDArray[np.str_] | None, strict: bool) -> None:
    """Warn of groups that have training and test images, or refuse them.

    It is a warning, because many published test sets have such groups, and because the parts of a study, whose models
    must see no common group, are not concerned. But accuracies on that test set are too high.

    Args:
        pool: group of each training image, or None.
        test: group of each test image, or None.
        strict: refuse such groups.

    Raises:
        ValueError: if there are such groups and `strict` is set.

    Example:
        >>> check_common_groups(np.array(["p1", "p2"]), np.array(["p3"]), strict=True)
    """
    if pool is None or test is None:
        return
    common = np.intersect1d(pool, test)
    if not common.size:
        return
    said = (
        f"{common.size} groups have training and test images, the first {common[0]}, with "
        f"{np.count_nonzero(np.isin(test, common))} of {len(test)} test images"
    )
    if strict:
        raise ValueError(f"Expected no group in both training and test: {said}. Move each group to one of the two.")
    rank_zero_warn(f"Leak: {said}. Models have seen these groups, so accuracies are too high.")


def alike_images(pool: LabelledImages, test: LabelledImages) -> list[Integers]:
    """Return pairs of images that show the same, within the training images, and of these with test images.

    Example:
        >>> from lightning_spx.data.labelled_images import ArrayImages
        >>> images = ArrayImages(np.zeros((2, 8, 8), np.uint8), np.array([0, 1]))
        >>> [len(pairs) for pairs in alike_images(images, images)]
        [0, 0]
    """
    own = looks(pool)
    return [alike_pairs(own), alike_pairs(own, looks(test))]


def check_near_duplicates(
    pool: LabelledImages, test: LabelledImages, split: Split, alike: list[Integers], strict: bool
) -> None:
    """Warn of images that show the same in two parts or in training and test, or refuse them.

    Args:
        pool: training images.
        test: test images.
        split: which model trains on which images of the pool.
        alike: pairs of images as `alike_images` gives them.
        strict: refuse such images.

    Raises:
        ValueError: if there are such images and `strict` is set.

    Example:
        >>> from lightning_spx.data.labelled_images import ArrayImages
        >>> from lightning_spx.data.split_plan import make_split
        >>> pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32), np.uint8)
        >>> pool = ArrayImages(pixels[:4], np.array([0, 0, 1, 1]))
        >>> test = ArrayImages(pixels[4:], np.array([1]))
        >>> check_near_duplicates(pool, test, make_split(pool.labels), alike_images(pool, test), strict=True)
    """
    part_of = np.full(len(pool), -1)
    for number, part in enumerate(split.parts):
        part_of[part] = number
    said = []
    if split.plan in ("disjoint", "folds"):
        pairs = alike[0]
        parts = part_of[pairs]
        pairs = pairs[(parts[:, 0] != parts[:, 1]) & (parts >= 0).all(1)]
        if len(pairs):
            said.append(_in_words(pairs, pool, pool, f"in two {'folds' if split.plan == 'folds' else 'parts'}"))
    pairs = alike[1]
    pairs = pairs[part_of[pairs[:, 0]] >= 0]
    if len(pairs):
        said.append(_in_words(pairs, pool, test, "in training and test"))
    if said:
        _say("; ".join(said), strict)


def check_alike(pairs: Integers, left: LabelledImages, right: LabelledImages, where: str, strict: bool) -> None:
    """Warn of pairs of images that show the same in two sets, or refuse them.

    Args:
        pairs: (n, 2) positions in the two sets.
        left: images of the first set.
        right: images of the second set.
        where: the two sets, in words.
        strict: refuse such pairs.

    Raises:
        ValueError: if there are pairs and `strict` is set.

    Example:
        >>> from lightning_spx.data.labelled_images import ArrayImages
        >>> images = ArrayImages(np.zeros((2, 8, 8), np.uint8), np.array([0, 1]))
        >>> check_alike(np.empty((0, 2), np.int64), images, images, "in training and validation", strict=True)
    """
    if len(pairs):
        _say(_in_words(pairs, left, right, where), strict)


def _say(found: str, strict: bool) -> None:
    if strict:
        raise ValueError(f"Expected images that differ in parts, training, validation and test, got {found}.")
    rank_zero_warn(f"Images that look the same: {found}. Give them a common group, or remove one of each pair.")


def _in_words(pairs: Integers, left: LabelledImages, right: LabelledImages, where: str) -> str:
    names = [f"{_name(left, int(one))} and {_name(right, int(other))}" for one, other in pairs[:NAMED]]
    count = f"at least {len(pairs)}" if len(pairs) == MOST_PAIRS else str(len(pairs))
    more = ", ..." if len(pairs) > NAMED else ""
    return f"{count} pair{'s' if len(pairs) > 1 else ''} {where} ({', '.join(names)}{more})"


def _name(images: LabelledImages, position: int) -> str:
    if images.paths is None:
        return f"image {position}"
    path = images.paths[position]
    return f"{path.parent.name}/{path.name}"
