import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from torch import Tensor

from lightning_spx.formats import once
from lightning_spx.superpixels import Precomputed, Slic, image_key
from tests.superpixels.label_cases import LABELS

EXPECTED = [[[0, 1, 1], [3, 2, 0]]]


@pytest.fixture
def image() -> Tensor:
    return torch.rand(1, 3, 2, 3, generator=torch.Generator().manual_seed(0))


def test_written_maps_are_read_back(images: Tensor, tmp_path: Path) -> None:
    segments = Slic(n_segments=20)(images)
    paths = Precomputed(tmp_path).write(images, segments)
    assert paths == [tmp_path / f"{image_key(image)}.npz" for image in images]
    assert torch.equal(Precomputed(str(tmp_path))(images), segments)


def test_writing_again_replaces(image: Tensor, tmp_path: Path) -> None:
    precomputed = Precomputed(tmp_path)
    precomputed.write(image, torch.zeros(1, 2, 3, dtype=torch.int32))
    precomputed.write(image, torch.from_numpy(LABELS)[None] - 7)
    assert precomputed(image).tolist() == EXPECTED
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".png", ".tif", ".tiff"])
def test_maps_of_any_tool_are_numbered_without_gaps(image: Tensor, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"{image_key(image[0])}{suffix}"
    match suffix:
        case ".npz":
            np.savez(path, anything=LABELS.astype(np.uint16))
        case ".npy":
            np.save(path, LABELS)
        case ".tif" | ".tiff":
            tifffile.imwrite(path, LABELS.astype(np.uint32) * 2**24)
        case _:
            Image.fromarray(LABELS.astype(np.uint8)).save(path)
    segments = Precomputed(tmp_path)(image)
    assert segments.dtype == torch.int64
    assert segments.tolist() == EXPECTED


def test_a_missing_map_names_the_file_and_the_next_step(image: Tensor, tmp_path: Path) -> None:
    pattern = rf"No label map {tmp_path}/{image_key(image[0])}\{{.npz,.npy,.png,.*\}}.*\.write\(images, label_maps\)"
    with pytest.raises(FileNotFoundError, match=pattern):
        Precomputed(tmp_path)(image)


def test_a_map_of_another_size_is_refused(image: Tensor, tmp_path: Path) -> None:
    np.save(tmp_path / f"{image_key(image[0])}.npy", LABELS.T)
    with pytest.raises(ValueError, match=r"of shape \(2, 3\), in .*\.npy: it holds int64 of shape \(3, 2\)"):
        Precomputed(tmp_path)(image)


def test_a_color_picture_is_refused(image: Tensor, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((2, 3, 3), dtype=np.uint8)).save(tmp_path / f"{image_key(image[0])}.png")
    with pytest.raises(ValueError, match=r"of shape \(2, 3\), in .*\.png: it is a picture of 2 x 3 values of mode RGB"):
        Precomputed(tmp_path)(image)


def test_wrong_label_maps_are_not_written(image: Tensor, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"`label_maps` to be a tensor of integers, got torch\.float32"):
        Precomputed(tmp_path).write(image, torch.zeros(1, 2, 3))
    with pytest.raises(ValueError, match=r"got \(1, 3, 2\) for \(1, 3, 2, 3\)"):
        Precomputed(tmp_path).write(image, torch.zeros(1, 3, 2, dtype=torch.int64))
    assert not list(tmp_path.iterdir())


def test_masks_of_sam_are_segments_and_their_rest_is_one_that_is_warned_of_once(
    image: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(once, "_SAID", set())
    whole, part = [0, 4, 2], [2, 2, 2]
    masks = [{"segmentation": {"size": [2, 3], "counts": counts}, "area": counts[1]} for counts in (part, whole)]
    path = tmp_path / f"{image_key(image[0])}.json"
    path.write_text(json.dumps(masks))
    with pytest.warns(UserWarning, match=rf"33\.3% of the image of {path} lies in no region and is one segment"):
        # the part, which is smaller, lies on the whole, and the last column is the rest
        assert Precomputed(tmp_path)(image).tolist() == [[[2, 1, 0], [2, 1, 0]]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Precomputed(tmp_path)(image)


def test_shapes_of_labelme_are_segments(image: Tensor, tmp_path: Path) -> None:
    shapes = [{"label": "a", "shape_type": "rectangle", "points": [[left, 0], [left + 2, 2]]} for left in (0, 1)]
    content = {"shapes": shapes, "imagePath": "any.jpg", "imageHeight": 2, "imageWidth": 3}
    (tmp_path / f"{image_key(image[0])}.json").write_text(json.dumps(content))
    assert Precomputed(tmp_path)(image).tolist() == [[[0, 1, 1], [0, 1, 1]]]


def test_ids_that_float32_cannot_tell_apart_are_segments_of_their_own(image: Tensor, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / f"{image_key(image[0])}.tif", (2**24 + np.arange(6)).reshape(2, 3).astype(np.uint32))
    assert Precomputed(tmp_path)(image).flatten().tolist() == list(range(6))
