"""Which labels are accepted."""

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike

from lightning_spx.data import ArrayImages
from lightning_spx.data.label_kinds import checked_labels

PIXELS = np.zeros((2, 8, 8, 3), np.uint8)


def test_classes_become_int64_and_findings_float32() -> None:
    assert checked_labels(np.array([1, 2], np.uint8)).dtype == np.int64
    found = checked_labels(np.array([[0.0, 1.0], [np.nan, 1.0]]))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[0, 1], [np.nan, 1]])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([[0.0, 0.5], [1.0, 1.0]]), r"to be 0, 1 or NaN for not said, got 0\.5 for finding 1 of image 0"),
        (np.array([[0.0, 1.0], [-1.0, 1.0]]), "got -1 for finding 0 of image 1"),
        (np.array([[np.inf], [1.0]]), "got inf for finding 0 of image 0"),
        (np.zeros((2, 1, 1)), r"of shape \(n,\) or, with K findings, \(n, K\), got \(2, 1, 1\)"),
        (np.zeros((2, 0)), r"got \(2, 0\)"),
        (np.float64(1), r"got \(\)"),
    ],
)
def test_other_values_and_shapes_are_refused(labels: ArrayLike, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        checked_labels(labels)


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="`labels` to be integers, got float64"):
        ArrayImages(PIXELS, np.array([0.0, 1.0]))
    with pytest.raises(TypeError, match=r"`labels` of shape \(n, K\) to be floats, 0, 1 or NaN, got int64"):
        checked_labels([[0, 1]])


def test_a_sample_holds_its_findings() -> None:
    images = ArrayImages(PIXELS, np.array([[0, 1, np.nan], [1, 1, 0]], np.float32))
    torch.testing.assert_close(images[0]["label"], torch.tensor([0, 1, torch.nan]), equal_nan=True)
    assert images[-1]["label"].tolist() == [1, 1, 0]
