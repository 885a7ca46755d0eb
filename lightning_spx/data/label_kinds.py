"""The two kinds of labels: one class for each image, or several findings that are present or absent."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

# (n,) classes, or (n, K) findings
Labels = NDArray[np.int64] | NDArray[np.float32]


def checked_labels(labels: ArrayLike) -> Labels:
    """Return labels as `(n,)` int64 or `(n, K)` float32, or raise if they are no labels.

    Args:
        labels: class of each image, `(n,)` integers, or findings, `(n, K)` floats: 1 for present, 0 for absent and NaN
            for not said.

    Raises:
        TypeError: if classes are not integers, or findings not floats.
        ValueError: if the labels have another shape, or a finding is neither 0, 1 nor NaN.

    Example:
        >>> checked_labels([1, 0]).dtype, checked_labels([[1.0, float("nan")]]).dtype
        (dtype('int64'), dtype('float32'))
    """
    values = np.asarray(labels)
    if values.ndim not in (1, 2) or (values.ndim == 2 and values.shape[1] == 0):
        raise ValueError(f"Expected `labels` to be of shape (n,) or, with K findings, (n, K), got {values.shape}.")
    if values.ndim == 1:
        if values.size and not np.issubdtype(values.dtype, np.integer):
            raise TypeError(f"Expected `labels` to be integers, got {values.dtype}.")
        return values.astype(np.int64)
    if not np.issubdtype(values.dtype, np.floating):
        raise TypeError(f"Expected `labels` of shape (n, K) to be floats, 0, 1 or NaN, got {values.dtype}.")
    wrong = ~np.isin(values, (0, 1)) & ~np.isnan(values)
    if wrong.any():
        image, finding = np.argwhere(wrong)[0]
        raise ValueError(
            "Expected `labels` of shape (n, K) to be 0, 1 or NaN for not said, got "
            f"{values[image, finding]:g} for finding {finding} of image {image}."
        )
    return values.astype(np.float32)


def check_findings(labels: Labels, findings: Sequence[str], owner: str) -> None:
    """Refuse labels that do not fit the names of the findings.

    Args:
        labels: `(n,)`, or `(n, K)` of K findings.
        findings: names of the findings; none if the labels are classes.
        owner: name of the class that has both, for errors.

    Raises:
        ValueError: if the numbers of findings differ, or two have one name.

    Example:
        >>> check_findings(np.zeros((5, 2), np.float32), ["edema", "mass"], "Chests")
    """
    if labels.shape[1:] != ((len(findings),) if findings else ()):
        wanted = f"(n, {len(findings)}), a column for each of `findings`" if findings else "(n,) without `findings`"
        raise ValueError(f"Expected labels of {owner} to be of shape {wanted}, got {labels.shape}.")
    if len(set(findings)) < len(findings):
        raise ValueError(f"Expected `findings` of {owner} to have different names, got {list(findings)}.")
