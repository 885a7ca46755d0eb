"""What groups of images that must stay together cost: parts that cannot be made, and parts that are not equal."""

import numpy as np
from lightning.pytorch.utilities import rank_zero_warn

from lightning_spx.data.group_splits import GroupTable, Integers
from lightning_spx.data.label_kinds import Labels

# with several findings, parts without groups may differ from their share by so many images as well
FINDING_SLACK = 2


def check_groups(
    labels: Labels, groups: Integers, num_parts: int, name: str, images_per_part: int | None = None
) -> None:
    """Refuse groups that cannot be dealt to so many parts.

    Args:
        labels: `(n,)` classes or `(n, K)` findings.
        groups: `(n,)` numbers of groups, as `checked_groups` gives them.
        num_parts: number of parts.
        name: name of that setting, for the error.
        images_per_part: largest number of images in a part; None for no limit.

    Raises:
        ValueError: if there are fewer groups than parts, the images of a class or finding are in fewer groups, or
            fewer groups are small enough for a part.

    Example:
        >>> check_groups(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), 2, "num_parts")
    """
    sizes = np.bincount(groups)
    if sizes.size < num_parts:
        raise ValueError(f"Expected `{name}` to be at most {sizes.size}, the groups there are, got {num_parts}.")
    table = GroupTable(labels, groups)
    counts = np.bincount(table.trait, minlength=table.num_traits)[:-1]
    names = [f"with finding {number}" for number in range(labels.shape[1])] if labels.ndim == 2 else []
    if labels.ndim == 2:
        counts = counts[1::2]
    if counts.min() < num_parts:
        rare = int(counts.argmin())
        which = names[rare] if names else f"with images of class {np.unique(labels)[rare]}"
        raise ValueError(
            f"Expected `{name}` to be at most {counts.min()}, the groups {which}, got {num_parts}: a group is never "
            "divided."
        )
    if images_per_part is not None and np.count_nonzero(sizes <= images_per_part) < num_parts:
        fitting = int(np.partition(sizes, num_parts - 1)[num_parts - 1])
        raise ValueError(
            f"Expected `images_per_part` to be at least {fitting}, so that {num_parts} parts have a whole group each, "
            f"got {images_per_part}."
        )


def warn_of_imbalance(labels: Labels, parts: list[Integers]) -> None:
    """Warn in one line if parts of whole groups are less equal than parts of single images can be.

    Args:
        labels: `(n,)` classes or `(n, K)` findings.
        parts: indices of the images of each part.

    Example:
        >>> warn_of_imbalance(np.array([0, 1, 0, 1]), [np.array([0, 1]), np.array([2, 3])])
    """
    found = imbalance_in_words(labels, parts)
    if found:
        rank_zero_warn(found)


def imbalance_in_words(labels: Labels, parts: list[Integers]) -> str:
    """Say how unequal parts are; empty if they are as equal as parts of single images can be.

    Args:
        labels: `(n,)` classes or `(n, K)` findings.
        parts: indices of the images of each part.

    Example:
        >>> imbalance_in_words(np.array([0, 0, 0, 1, 1]), [np.array([0, 1, 2]), np.array([3, 4])])
        'Groups that stay together make parts unequal: 2 to 3 images, and class 0 is 0.0 % of part 1 and 60.0 % of all.'
    """
    if labels.ndim == 2:
        names = [f"finding {number}" for number in range(labels.shape[1])]
        counts = np.stack([(labels[part] == 1).sum(0) for part in parts])
        share = (labels == 1).sum(0) / len(labels)
    else:
        classes, label = np.unique(labels, return_inverse=True)
        names = [f"class {name}" for name in classes]
        counts = np.stack([np.bincount(label[part], minlength=classes.size) for part in parts])
        share = np.bincount(label) / len(labels)
    sizes = np.array([part.size for part in parts])
    excess = np.abs(counts - sizes[:, None] * share)
    slack = FINDING_SLACK if labels.ndim == 2 else 1
    if np.ptp(sizes) <= 1 and excess.max() <= slack:
        return ""
    differs = np.abs(counts / np.maximum(1, sizes)[:, None] - share)
    part, worst = (int(number) for number in np.unravel_index(int(differs.argmax()), differs.shape))
    own = counts[part, worst] / max(1, sizes[part])
    said = f"{sizes.min()} to {sizes.max()}" if np.ptp(sizes) else f"{sizes[0]}"
    return (
        f"Groups that stay together make parts unequal: {said} images, and {names[worst]} is {own:.1%} of part {part} "
        f"and {share[worst]:.1%} of all."
    ).replace("%", " %")
