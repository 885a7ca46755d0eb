import pytest
import torch
from torch import Tensor

from lightning_spx.superpixels import (
    Segmenter,
    Slic,
    achievable_accuracy,
    boundary_recall,
    check_images,
    check_segments,
    compactness,
    grid_like,
    num_segments,
    undersegmentation_error,
    voronoi_like,
)


def test_segmenter_is_abstract() -> None:
    kind: type = Segmenter
    with pytest.raises(TypeError, match="abstract"):
        kind()


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        (torch.zeros(1, 2, 2, dtype=torch.int32), "to be int64, got torch.int32"),
        (torch.zeros(2, 2, dtype=torch.int64), r"shape \(N, H, W\), got \(2, 2\)"),
        (torch.zeros(1, 0, 2, dtype=torch.int64), r"got \(1, 0, 2\)"),
        (torch.tensor([[[-1, 0]]]), "got ids from -1 to 0 on 2 pixels"),
        (torch.tensor([[[0, 2]]]), "got ids from 0 to 2 on 2 pixels"),
        (torch.tensor([[[0, 2, 2]]]), "got 2 ids up to 2 in image 0"),
        (torch.tensor([[[1, 1, 1]]]), "got 1 ids up to 1 in image 0"),
        (torch.tensor([[[0, 1, 2]], [[0, 0, 2]]]), "got 2 ids up to 2 in image 1"),
        (torch.tensor([[[0, 0, 0]], [[1, 2, 2]]]), "got 2 ids up to 2 in image 1"),
        (torch.tensor([[[2**62, 0, 0]]]), "on 3 pixels"),
    ],
)
def test_broken_segments_are_refused(segments: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_segments(segments)


def test_segments_may_differ_in_number() -> None:
    segments = torch.tensor([[[0, 0], [0, 0]], [[3, 1], [2, 0]]])
    check_segments(segments)
    assert num_segments(segments).tolist() == [1, 4]


def test_one_map_without_a_batch_axis_has_one_value(images: Tensor) -> None:
    segments, other = Slic(20)(images), Slic(10)(images)
    for measure in (num_segments, grid_like, compactness):
        assert torch.equal(measure(segments[1]), measure(segments)[1])
    for compare in (boundary_recall, undersegmentation_error, achievable_accuracy):
        assert torch.equal(compare(segments[1], other[1]), compare(segments, other)[1])
        with pytest.raises(ValueError, match="`truth`"):
            compare(segments, other[1])
    index = torch.tensor([5, 8, 2, 1])
    for place in (8, torch.tensor(8), torch.tensor([8])):
        assert torch.equal(voronoi_like(segments[1], 0, place), voronoi_like(segments, 0, index)[1])
    with pytest.raises(ValueError, match="one integer for each of 4 images"):
        voronoi_like(segments, 0, 8)


def test_an_empty_batch_passes() -> None:
    check_images(torch.empty(0, 3, 2, 2))
    check_segments(torch.empty(0, 2, 2, dtype=torch.int64))
    assert num_segments(torch.empty(0, 2, 2, dtype=torch.int64)).shape == (0,)


def test_the_range_check_is_as_wide_as_it_says() -> None:
    check_images(torch.tensor([-0.0009, 1.0009, 0.0]).view(1, 3, 1, 1))
    for value in (-0.0011, 1.0011):
        with pytest.raises(ValueError, match="got values from"):
            check_images(torch.tensor([value, 0.5, 0.5]).view(1, 3, 1, 1))
