"""Index arithmetic on labels, without reading images: which images a model trains on and which it never sees."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightning_spx.data.finding_splits import deal_findings
from lightning_spx.data.forced_imbalance import check_groups, warn_of_imbalance
from lightning_spx.data.group_kinds import checked_groups
from lightning_spx.data.group_splits import deal_groups
from lightning_spx.data.label_kinds import Labels, checked_labels

Indices = NDArray[np.int64]
Plan = Literal["all", "seeds", "disjoint", "folds"]


def disjoint_parts(
    labels: ArrayLike,
    num_parts: int = 2,
    seed: int = 0,
    images_per_part: int | None = None,
    groups: ArrayLike | None = None,
) -> list[Indices]:
    """Return parts without common images, each with the class frequencies of the whole.

    The numbers of images of a class differ by at most one between the parts, and so do the sizes of the parts. With
    several findings, the numbers of images with each finding differ by as little as `deal_findings` can bring about,
    usually one or two.

    With `groups`, such as patients or scenes, no group is in two parts. Sizes and frequencies are then as equal as
    `deal_groups` can bring about, and a warning says how unequal groups make them.

    Args:
        labels: class of each image, `(n,)` integers, or findings, `(n, K)` floats that are 0, 1 or NaN.
        num_parts: number of parts.
        seed: decides which image goes where.
        images_per_part: number of images in each part, with groups the largest number; None uses all images.
        groups: name or number of each image's group, `(n,)`; None if no images belong together.

    Returns:
        Sorted indices into `labels`, one array per part.

    Raises:
        TypeError: if the labels are neither integers nor findings, or the groups neither text nor integers.
        ValueError: if there are fewer images or groups, or fewer of a class or with a finding, than requested.

    Example:
        >>> [part.size for part in disjoint_parts([0, 0, 0, 1, 1, 1, 1], num_parts=2)]
        [4, 3]
    """
    values = checked_labels(labels)
    if num_parts < 1:
        raise ValueError(f"Expected `num_parts` to be at least 1, got {num_parts}.")
    _check_classes(values, num_parts, "num_parts")
    chosen = np.arange(len(values))
    if images_per_part is not None:
        if images_per_part < 1:
            raise ValueError(f"Expected `images_per_part` to be at least 1, got {images_per_part}.")
        if images_per_part * num_parts > len(values):
            raise ValueError(
                f"Expected {num_parts} parts of {images_per_part} images, without common images, to be at most the "
                f"{len(values)} there are: lower `images_per_part` or `num_parts`."
            )
    together = None if groups is None else _in_groups(values, groups, num_parts, "num_parts", images_per_part)
    if together is not None:
        sizes = _equal_sizes(len(values), num_parts)
        if images_per_part is not None:
            sizes = [images_per_part] * num_parts + [len(values) - images_per_part * num_parts]
        return _deal_together(values, together, sizes, seed, 0 if images_per_part is None else num_parts)[:num_parts]
    if images_per_part is not None:
        chosen = stratified_draw(values, images_per_part * num_parts, seed)
    return _deal(values, chosen, num_parts, seed)


def folds(labels: ArrayLike, num_folds: int = 4, seed: int = 0, groups: ArrayLike | None = None) -> list[Indices]:
    """Return stratified folds: model i trains on all images except those of fold i.

    Args:
        labels: class of each image, `(n,)` integers, or findings, `(n, K)` floats that are 0, 1 or NaN.
        num_folds: number of folds, 2 or more.
        seed: decides which image goes where.
        groups: name or number of each image's group, `(n,)`, as for `disjoint_parts`; no group is in two folds.

    Returns:
        Sorted indices of the held-out images, one array per fold; every image is in exactly one fold.

    Raises:
        TypeError: if the labels are neither integers nor findings, or the groups neither text nor integers.
        ValueError: if there are fewer images of a class, or with a finding, than folds, or fewer groups with them.

    Example:
        >>> sorted(np.concatenate(folds([0, 1, 0, 1, 0, 1], num_folds=3)).tolist())
        [0, 1, 2, 3, 4, 5]
    """
    values = checked_labels(labels)
    if num_folds < 2:
        raise ValueError(f"Expected `num_folds` to be at least 2, got {num_folds}.")
    _check_classes(values, num_folds, "num_folds")
    together = None if groups is None else _in_groups(values, groups, num_folds, "num_folds")
    if together is not None:
        return _deal_together(values, together, _equal_sizes(len(values), num_folds), seed)
    return _deal(values, np.arange(len(values)), num_folds, seed)


def stratified_draw(labels: ArrayLike, num_images: int, seed: int = 0) -> Indices:
    """Return a seeded draw of exactly `num_images` images with the class frequencies of the whole.

    Each class gets its share, rounded down; the remaining images go to the largest remainders.

    Args:
        labels: class of each image, `(n,)` integers, or findings, `(n, K)` floats that are 0, 1 or NaN.
        num_images: number of images to draw, 0 to n.
        seed: decides which images are drawn.

    Returns:
        Sorted indices into `labels`, `(num_images,)`.

    Raises:
        TypeError: if the labels are neither integers nor findings.
        ValueError: if there are fewer images.

    Example:
        >>> labels = np.array([0] * 6 + [1] * 3)
        >>> np.bincount(labels[stratified_draw(labels, 6)]).tolist()
        [4, 2]
    """
    values = checked_labels(labels)
    if not 0 <= num_images <= len(values):
        raise ValueError(f"Expected `num_images` to be 0 to {len(values)}, the images there are, got {num_images}.")
    if values.ndim == 2:
        return deal_findings(values, [num_images, len(values) - num_images], seed)[0]
    generator = np.random.default_rng(seed)
    classes, counts = np.unique(values, return_counts=True)
    shares, remainders = np.divmod(num_images * counts, max(1, values.size))
    # the seed decides between equal remainders, so that no class always loses
    order = np.lexsort((generator.permutation(classes.size), -remainders))
    shares[order[: num_images - shares.sum()]] += 1
    drawn = [
        generator.permutation(np.flatnonzero(values == name))[:share]
        for name, share in zip(classes, shares, strict=True)
    ]
    return np.sort(np.concatenate([np.empty(0, np.int64), *drawn]))


def grouped_draw(
    labels: ArrayLike, num_images: int, seed: int = 0, groups: ArrayLike | None = None, at_most: bool = False
) -> Indices:
    """Return a seeded draw of whole groups with about `num_images` images and the class frequencies of the whole.

    Without groups, and where each image is a group, it is `stratified_draw`.

    Args:
        labels: class of each image, `(n,)` integers, or findings, `(n, K)` floats that are 0, 1 or NaN.
        num_images: number of images to draw, 0 to n. Unless it is 0 or n, at least one group is drawn and one is left.
        seed: decides which groups are drawn.
        groups: name or number of each image's group, `(n,)`.
        at_most: draw no more than `num_images`, and as many of them as groups allow.

    Returns:
        Sorted indices into `labels`.

    Raises:
        TypeError: if the labels are neither integers nor findings, or the groups neither text nor integers.
        ValueError: if there are fewer images, all images are one group, or with `at_most` each group is too large.

    Example:
        >>> grouped_draw([0, 0, 0, 0], 2, groups=["a", "b", "a", "b"]).tolist() in ([0, 2], [1, 3])
        True
    """
    values = checked_labels(labels)
    together = None if groups is None else checked_groups(groups, len(values))
    if together is None or len(np.unique(together)) == len(values) or num_images in (0, len(values)):
        return stratified_draw(values, num_images, seed)
    if not 0 <= num_images <= len(values):
        raise ValueError(f"Expected `num_images` to be 0 to {len(values)}, the images there are, got {num_images}.")
    sizes = np.bincount(together)
    if sizes.size == 1:
        raise ValueError(
            f"Expected two groups or more to draw {num_images} of {len(values)} images, for validation or test, "
            "without dividing a group, got 1: draw none, or name smaller groups."
        )
    if at_most and sizes.min() > num_images:
        raise ValueError(
            f"Expected a group of at most {num_images} images to draw, got {sizes.min()} in the smallest one."
        )
    part = deal_groups(values, together, [num_images, len(values) - num_images], seed, 1 if at_most else 0)
    return np.flatnonzero(part == 0)


def _in_groups(
    labels: Labels, groups: ArrayLike, num_parts: int, name: str, images_per_part: int | None = None
) -> Indices | None:
    """Return the number of each image's group, or None if each image is a group of its own."""
    together = checked_groups(groups, len(labels))
    check_groups(labels, together, num_parts, name, images_per_part)
    return None if together.max() + 1 == len(labels) else together


def _equal_sizes(num_images: int, num_parts: int) -> list[int]:
    return [len(range(part, num_images, num_parts)) for part in range(num_parts)]


def _deal_together(labels: Labels, groups: Indices, sizes: list[int], seed: int, num_limited: int = 0) -> list[Indices]:
    """Deal whole groups, and warn of the imbalance that this forces."""
    part_of = deal_groups(labels, groups, sizes, seed, num_limited)
    parts = [np.flatnonzero(part_of == part) for part in range(len(sizes))]
    warn_of_imbalance(labels, parts[: num_limited or len(sizes)])
    return parts


def _check_classes(labels: Labels, num_parts: int, name: str) -> None:
    if labels.size == 0:
        raise ValueError("Expected `labels` to name at least one image, got none.")
    if labels.ndim == 2:
        present = (labels == 1).sum(0)
        if present.min() < num_parts:
            raise ValueError(
                f"Expected `{name}` to be at most {present.min()}, the images with finding {present.argmin()}, got "
                f"{num_parts}."
            )
        return
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < num_parts:
        raise ValueError(
            f"Expected `{name}` to be at most {counts.min()}, the images of class {classes[counts.argmin()]}, "
            f"got {num_parts}."
        )


def _deal(labels: Labels, chosen: Indices, num_parts: int, seed: int) -> list[Indices]:
    """Deal the chosen images like cards, class after class, so that part and class sizes differ by at most one."""
    if labels.ndim == 2:
        sizes = [len(chosen[part::num_parts]) for part in range(num_parts)]
        return [chosen[part] for part in deal_findings(labels[chosen], sizes, seed)]
    generator = np.random.default_rng(seed)
    cards = generator.permutation(chosen)
    cards = cards[np.argsort(labels[cards], kind="stable")]
    return [np.sort(cards[part::num_parts]) for part in range(num_parts)]
