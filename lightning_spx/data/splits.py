"""Index arithmetic on labels, without reading images: which images a model trains on and which it never sees."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightning_spx.data.finding_splits import deal_findings
from lightning_spx.data.label_kinds import Labels, checked_labels

Indices = NDArray[np.int64]
Plan = Literal["all", "seeds", "disjoint", "folds"]


def disjoint_parts(
    labels: ArrayLike, num_parts: int = 2, seed: int = 0, images_per_part: int | None = None
) -> list[Indices]:
    """Return parts without common images, each with the class frequencies of the whole.

    The numbers of images of a class differ by at most one between the parts, and so do the sizes of the parts. With
    several findings, the numbers of images with each finding differ by as little as `deal_findings` can bring about,
    usually one or two.

    Args:
        labels: class of each image, `(n,)` integers, or findings, `(n, K)` floats that are 0, 1 or NaN.
        num_parts: number of parts.
        seed: decides which image goes where.
        images_per_part: number of images in each part; None uses all images.

    Returns:
        Sorted indices into `labels`, one array per part.

    Raises:
        TypeError: if the labels are neither integers nor findings.
        ValueError: if there are fewer images, or fewer of a class or with a finding, than requested.

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
        chosen = stratified_draw(values, images_per_part * num_parts, seed)
    return _deal(values, chosen, num_parts, seed)


def folds(labels: ArrayLike, num_folds: int = 4, seed: int = 0) -> list[Indices]:
    """Return stratified folds: model i trains on all images except those of fold i.

    Args:
        labels: class of each image, `(n,)` integers, or findings, `(n, K)` floats that are 0, 1 or NaN.
        num_folds: number of folds, 2 or more.
        seed: decides which image goes where.

    Returns:
        Sorted indices of the held-out images, one array per fold; every image is in exactly one fold.

    Raises:
        TypeError: if the labels are neither integers nor findings.
        ValueError: if there are fewer images of a class, or with a finding, than folds.

    Example:
        >>> sorted(np.concatenate(folds([0, 1, 0, 1, 0, 1], num_folds=3)).tolist())
        [0, 1, 2, 3, 4, 5]
    """
    values = checked_labels(labels)
    if num_folds < 2:
        raise ValueError(f"Expected `num_folds` to be at least 2, got {num_folds}.")
    _check_classes(values, num_folds, "num_folds")
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


def grouped_draw(labels: ArrayLike, num_images: int, seed: int, groups: ArrayLike) -> Indices:
    """Stub: draw whole groups, in a random order, until there are enough images."""
    values = np.asarray(groups)
    names, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(names.size)
    taken = order[np.cumsum(counts[order]) <= num_images]
    return np.flatnonzero(np.isin(codes, taken))


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
