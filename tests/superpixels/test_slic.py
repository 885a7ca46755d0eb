"""Slic against slow loops and scikit-image, and its three ways of computing against each other."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_spx.superpixels import Slic, num_segments, slic
from lightning_spx.superpixels.cielab import cielab
from lightning_spx.superpixels.image_key import eight_bit
from tests.benchmarks.slic import equally_many, measured
from tests.superpixels.conftest import draw, num_pieces
from tests.superpixels.slow_slic import slow_slic

SETTINGS = [
    Slic(),
    Slic(n_segments=13, compactness=3.0, max_num_iter=4, min_size_factor=0.2),
    Slic(n_segments=1),
    Slic(n_segments=5000),
    Slic(n_segments=40, compactness=100.0, sigma=0.8),
    Slic(n_segments=40, compactness=0.3, min_size_factor=3.0),
    # so small that the weight of place is 0, which times infinity is no number
    Slic(n_segments=8, compactness=1e-25),
]


@pytest.fixture
def as_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slic, "_compiled", lambda: None)


@pytest.mark.parametrize("segmenter", [setting for setting in SETTINGS if setting.sigma == 0], ids=repr)
def test_segments_are_those_of_a_slow_loop(segmenter: Slic) -> None:
    image = draw(1, 23, 17)
    lab = cielab(eight_bit(image))[0].permute(1, 2, 0).double().numpy() / 64
    expected = slow_slic(
        lab, segmenter.n_segments, segmenter.compactness, segmenter.max_num_iter, segmenter.min_size_factor
    )
    assert np.array_equal(segmenter(image)[0].numpy(), expected)


@pytest.mark.parametrize("segmenter", SETTINGS, ids=repr)
@pytest.mark.parametrize("size", [(37, 29), (16, 64), (1, 9), (50, 50)])
def test_tensors_and_compiled_loops_give_the_same(segmenter: Slic, size: tuple[int, int]) -> None:
    images = draw(3, *size)
    pixels = (slic._smoothed(images, segmenter.sigma) * 255).round().byte() if segmenter.sigma else eight_bit(images)
    assert torch.equal(segmenter(images), segmenter.segment(pixels))


@pytest.mark.parametrize("segmenter", SETTINGS, ids=repr)
def test_every_segment_is_one_piece_and_not_too_small(segmenter: Slic, images: Tensor) -> None:
    grid, _, min_size = segmenter._scaled(*images.shape[-2:])
    for labels in segmenter(images):
        sizes = torch.bincount(labels.flatten())
        assert num_pieces(labels) == len(sizes) <= 2 * grid.rows * grid.columns
        assert len(sizes) == 1 or sizes.min() >= min_size


@pytest.mark.usefixtures("as_tensors")
def test_tensors_do_not_depend_on_the_batch(images: Tensor) -> None:
    together = Slic(n_segments=20).segment(eight_bit(images))
    alone = torch.cat([Slic(n_segments=20)(image[None]) for image in images])
    assert torch.equal(together, alone)
    assert Slic()(images[:0]).shape == (0, 37, 29)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types_of_images(dtype: torch.dtype, images: Tensor) -> None:
    other = images.to(dtype)
    assert torch.equal(Slic(20)(other), Slic(20)(other.float()))


def test_it_can_be_traced_as_a_whole(images: Tensor) -> None:
    # the trace holds every round of joining small pieces, and the fewer pixels the fewer of them
    images, segmenter = images[:2, :, :12, :10], Slic(n_segments=6, max_num_iter=2)
    whole = torch.compile(segmenter.segment, fullgraph=True, backend="eager")
    assert torch.equal(whole(eight_bit(images)), segmenter(images))


def test_constant_images_keep_the_grid() -> None:
    ids = Slic(n_segments=6)(torch.full((1, 3, 8, 12), 0.3))
    expected = torch.arange(6).view(2, 3).repeat_interleave(4, 0).repeat_interleave(4, 1)
    assert torch.equal(ids[0], expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_same(images: Tensor) -> None:
    for segmenter in SETTINGS:
        assert torch.equal(segmenter(images.cuda()).cpu(), segmenter(images))


@pytest.mark.real_data
def test_photos_are_followed_as_well_as_by_scikit_image(real_data: Path) -> None:
    ours = measured(Slic(150), real_data / "bsds500", num_images=10)
    theirs = equally_many(ours["mean_segments"], 150, real_data / "bsds500", num_images=10)
    assert ours["boundary_recall"] > theirs["boundary_recall"] - 0.01
    assert ours["undersegmentation_error"] < theirs["undersegmentation_error"] + 0.01
    assert ours["achievable_accuracy"] > theirs["achievable_accuracy"] - 0.01


@pytest.mark.real_data
def test_photos_have_the_same_segments_either_way(real_data: Path) -> None:
    from PIL import Image

    paths = sorted((real_data / "imagenet" / "images").rglob("*.*"))[:4]
    photos = [np.asarray(Image.open(path).convert("RGB").resize((224, 224))) for path in paths]
    pixels = torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2)
    segments = Slic(n_segments=200)(pixels / 255)
    assert torch.equal(segments, Slic(n_segments=200).segment(pixels))
    assert num_segments(segments).min() > 100


def test_tensors_take_over_from_kernels_that_cannot_be_built() -> None:
    def without_compiler(*arguments: object) -> Tensor:
        raise RuntimeError("Failed to find C compiler.")

    pixels = eight_bit(draw(2, 16, 20))
    with pytest.warns(UserWarning, match=r"Slic runs without its kernels, and slower\. Failed to find C compiler"):
        found = Slic()._by_kernels(without_compiler, [pixels])
    assert torch.equal(found, Slic().segment(pixels))
