"""A split says which images each of several models trains on."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lightning_spx.data.group_kinds import checked_groups, groups_hash
from lightning_spx.data.label_kinds import Labels, checked_labels
from lightning_spx.data.splits import Indices, Plan, disjoint_parts, folds, grouped_draw


@dataclass(frozen=True, eq=False)
class Split:
    """The training images of several models, as indices into one pool; made by `make_split`.

    Args:
        plan: every model trains on the whole pool (`all`), on the same images under another seed (`seeds`), on its own
            part (`disjoint`), or on all but its fold (`folds`).
        num_parts: number of models and of parts.
        seed: the seed of the draw.
        labels_hash: SHA-256 of the labels of the pool.
        parts: sorted indices per model: the images it trains on, or under `folds` those it does not train on.
        num_images: number of images in the pool.
        groups_hash: SHA-256 of which images of the pool belong together; None if none do.

    Example:
        >>> split = make_split([0, 0, 1, 1], plan="disjoint", num_parts=2)
        >>> [split.train_indices(part).size for part in range(2)]
        [2, 2]
    """

    plan: Plan
    num_parts: int
    seed: int
    labels_hash: str
    parts: tuple[Indices, ...]
    num_images: int
    groups_hash: str | None = None

    def train_indices(self, part: int) -> Indices:
        """Return the sorted indices on which the model of a part may train.

        Raises:
            ValueError: if the part does not exist.
        """
        self._check(part)
        if self.plan == "folds":
            return np.setdiff1d(np.arange(self.num_images), self.parts[part], assume_unique=True)
        return self.parts[part]

    def held_out_indices(self, part: int) -> Indices:
        """Return the sorted indices of the fold that the model of a part never sees; empty under other plans.

        Raises:
            ValueError: if the part does not exist.
        """
        self._check(part)
        return self.parts[part] if self.plan == "folds" else np.empty(0, np.int64)

    @property
    def sha256(self) -> str:
        """Return the hash of plan, seed, labels, groups and indices."""
        return hashlib.sha256(json.dumps(self.content(), sort_keys=True).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        """Return whether both are the same split of the same labels."""
        return isinstance(other, Split) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        """Return a hash that agrees with equality."""
        return hash(self.sha256)

    def content(self) -> dict[str, object]:
        """Return plain values that say everything about the split."""
        # only if there are groups, so that files and hashes of splits without them stay what they were
        groups = {} if self.groups_hash is None else {"groups_hash": self.groups_hash}
        return {
            "plan": self.plan,
            "num_parts": self.num_parts,
            "seed": self.seed,
            "labels_hash": self.labels_hash,
            "num_images": self.num_images,
            "parts": [part.tolist() for part in self.parts],
            **groups,
        }

    def _check(self, part: int) -> None:
        if not 0 <= part < self.num_parts:
            raise ValueError(f"Expected `part` to be 0 to {self.num_parts - 1}, got {part}.")


def make_split(
    labels: ArrayLike,
    plan: Plan = "disjoint",
    num_parts: int = 2,
    seed: int = 0,
    images_per_part: int | None = None,
    groups: ArrayLike | None = None,
) -> Split:
    """Split a pool of images according to a plan.

    Args:
        labels: class of each image of the pool, `(n,)` integers, or findings, `(n, K)` floats that are 0, 1 or NaN.
        plan: see `Split`.
        num_parts: number of models and of parts.
        seed: decides which image goes where.
        images_per_part: number of images in each part (`disjoint`), or of those that all models train on (`seeds`);
            with groups the largest number; None uses all images.
        groups: name or number of each image's group, `(n,)`; no group is divided. None if no images belong together.

    Raises:
        TypeError: if the labels are neither integers nor findings, or the groups neither text nor integers.
        ValueError: if the plan is unknown or the pool is too small for it.

    Example:
        >>> split = make_split([0, 1] * 10, plan="folds", num_parts=4)
        >>> split.train_indices(0).size, split.held_out_indices(0).size
        (15, 5)
    """
    values = checked_labels(labels)
    if images_per_part is not None and plan not in ("seeds", "disjoint"):
        raise ValueError(
            f"Expected `images_per_part` only with the plans 'seeds' and 'disjoint', got it with {plan!r}."
        )
    if plan == "disjoint":
        parts = disjoint_parts(values, num_parts, seed, images_per_part, groups)
    elif plan == "folds":
        parts = folds(values, num_parts, seed, groups)
    elif plan in ("all", "seeds"):
        if num_parts < 1:
            raise ValueError(f"Expected `num_parts` to be at least 1, got {num_parts}.")
        parts = [_same_images(values, seed, images_per_part, groups)] * num_parts
    else:
        raise ValueError(f"Expected `plan` to be 'all', 'seeds', 'disjoint' or 'folds', got {plan!r}.")
    together = None if groups is None else groups_hash(groups)
    return Split(plan, num_parts, seed, labels_hash(values), tuple(parts), len(values), together)


def _same_images(labels: Labels, seed: int, num_images: int | None, groups: ArrayLike | None) -> Indices:
    """Return the images that all models train on: the whole pool, or a draw with its class frequencies."""
    if num_images is None:
        if groups is not None:
            checked_groups(groups, len(labels))
        return np.arange(len(labels))
    if not 1 <= num_images <= len(labels):
        raise ValueError(
            f"Expected `images_per_part` to be 1 to {len(labels)}, the images there are, got {num_images}."
        )
    return grouped_draw(labels, num_images, seed, groups, at_most=True)


def labels_hash(labels: ArrayLike) -> str:
    """Return the SHA-256 of labels, the same on every machine.

    Example:
        >>> labels_hash([0, 1])[:8]
        '9d34149f'
    """
    values = checked_labels(labels)
    if values.ndim == 2:
        # a number for NaN, which may have any bits
        content = np.nan_to_num(values, nan=-1.0).astype("<i8").tobytes() + f"{values.shape[1]} findings".encode()
    else:
        content = values.astype("<i8").tobytes()
    return hashlib.sha256(content).hexdigest()
