import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from skimage.segmentation import relabel_sequential

from lightning_spx.superpixels.per_image import segment_each, without_gaps

relabel: Callable[[NDArray[np.int64]], tuple[NDArray[np.int64], object, object]] = relabel_sequential


@given(arrays(np.int64, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.integers(1, 9)))
def test_relabelling_is_scikit_images(labels: NDArray[np.int64]) -> None:
    assert np.array_equal(without_gaps(labels), relabel(labels)[0] - 1)


def test_relabelling_takes_negative_ids_and_any_integer_type() -> None:
    assert without_gaps(np.array([[-5, 3], [200, -5]], dtype=np.int16)).tolist() == [[0, 1], [2, 0]]
    assert without_gaps(np.array([[255, 0]], dtype=np.uint8)).dtype == np.int64


def test_each_image_is_given_as_rows_columns_channels() -> None:
    images = torch.arange(24).view(1, 3, 2, 4) / 24
    seen: list[NDArray[np.float32]] = []

    def segment(image: NDArray[np.float32]) -> NDArray[np.integer]:
        seen.append(image)
        return np.zeros(image.shape[:2], dtype=int)

    segment_each(images, segment)
    assert seen[0].dtype == np.float32
    assert seen[0].flags.c_contiguous
    assert np.array_equal(seen[0], images[0].permute(1, 2, 0).numpy())


def test_an_error_in_a_thread_reaches_the_caller() -> None:
    def segment(image: NDArray[np.float32]) -> NDArray[np.integer]:
        raise ZeroDivisionError("in a thread")

    with pytest.raises(ZeroDivisionError, match="in a thread"):
        segment_each(torch.zeros(2, 3, 2, 2), segment)


def test_images_are_spread_over_torchs_threads() -> None:
    barrier = threading.Barrier(2, timeout=20)

    def segment(image: NDArray[np.float32]) -> NDArray[np.integer]:
        barrier.wait()  # passes only if two images are under way at once
        return np.zeros(image.shape[:2], dtype=int)

    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert segment_each(torch.zeros(2, 3, 2, 2), segment).shape == (2, 2, 2)
    finally:
        torch.set_num_threads(threads)
