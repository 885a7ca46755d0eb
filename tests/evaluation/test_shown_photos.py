"""Masks on the command line: the same rules as those of a data set."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_spx.evaluation.input_images import read_images
from lightning_spx.evaluation.shown_photos import with_background


def with_mask(folder: Path, levels: np.ndarray) -> torch.Tensor:
    Image.fromarray(np.full((16, 16, 3), 200, np.uint8)).save(folder / "jay.png")
    (folder / "masks").mkdir()
    Image.fromarray(levels.astype(np.uint8)).save(folder / "masks/jay.png")
    shown = with_background(read_images([folder / "jay.png"], 16), str(folder / "masks"), "black", False)
    return shown.photos.images[0, 0]


def test_a_mask_of_class_numbers_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"masks/jay\.png to be 255 on the object, got at most 5"):
        with_mask(tmp_path, 5 * np.eye(16))


def test_a_mask_without_an_object_is_named(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"1 of 1 masks have no object in the image.*jay\.png"):
        assert not with_mask(tmp_path, np.zeros((16, 16))).any()


def test_a_coloured_object_is_kept(tmp_path: Path) -> None:
    square = np.zeros((16, 16, 3))
    square[4:12, 4:12, 0] = 255
    assert torch.equal(with_mask(tmp_path, square) > 0, torch.from_numpy(square[..., 0] > 0))
