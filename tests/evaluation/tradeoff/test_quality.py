"""How well super-pixels follow the borders that people drew."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat
from torchvision.io import write_jpeg

from lightning_spx.evaluation.tradeoff.quality import partition_quality
from lightning_spx.superpixels import Grid, Slic


def test_quality_reads_bsds500_and_refuses_what_is_not(tmp_path: Path) -> None:
    images, truths = tmp_path / "images" / "test", tmp_path / "groundTruth" / "test"
    images.mkdir(parents=True)
    truths.mkdir(parents=True)
    pixels = torch.zeros(3, 12, 20, dtype=torch.uint8)
    pixels[:, :, 10:] = 200
    write_jpeg(pixels, str(images / "one.jpg"), quality=100)
    labels = np.ones((12, 20), np.uint16)
    labels[:, 10:] = 2
    cell = np.zeros((1, 1), dtype=[("Segmentation", object), ("Boundaries", object)])
    cell[0, 0]["Segmentation"] = labels
    cells = np.empty((1, 2), dtype=object)
    cells[0, 0] = cells[0, 1] = cell
    savemat(truths / "one.mat", {"groundTruth": cells})
    table = partition_quality({"Grid": Grid(2), "one": Grid(1)}, tmp_path, num_images=5)
    assert table["num_images"].tolist() == [1, 1]
    assert table["achievable_accuracy"].tolist() == [1.0, 0.5]
    assert table["undersegmentation_error"].tolist() == [0.0, 1.0]
    assert table["boundary_recall"].tolist() == [1.0, 0.0]
    (truths / "one.mat").write_bytes(b"no mat file")
    with pytest.raises(ValueError, match=r"one\.mat"):
        partition_quality({"Grid": Grid(2)}, tmp_path, num_images=5)
    (truths / "one.mat").unlink()
    with pytest.raises(FileNotFoundError, match="ground truth"):
        partition_quality({"Grid": Grid(2)}, tmp_path, num_images=5)
    with pytest.raises(FileNotFoundError, match="`bsds500`"):
        partition_quality({"Grid": Grid(2)}, tmp_path / "none", num_images=5)


@pytest.mark.real_data
def test_slic_follows_the_borders_that_people_drew_better_than_a_grid(real_data: Path) -> None:
    table = partition_quality({"Slic": Slic(150), "Grid": Grid(150)}, real_data / "bsds500", num_images=5)
    slic, grid = table.to_dict("records")
    assert slic["boundary_recall"] > grid["boundary_recall"] + 0.1
    assert slic["undersegmentation_error"] < grid["undersegmentation_error"]
    assert slic["achievable_accuracy"] > grid["achievable_accuracy"]
    assert slic["compactness"] < grid["compactness"]
