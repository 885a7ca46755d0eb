"""Partitions of photos are drawn with their counts, and kept."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_spx.cli import main
from lightning_spx.evaluation.commands.segment import segment_photos
from lightning_spx.superpixels import Grid, Slic, num_segments
from tests.command_line import Captured, refusal
from tests.pictures import drawn


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["spx"])


def test_partitions_are_drawn_with_their_counts_and_kept(photos: list[str]) -> None:
    with drawn():
        folder = segment_photos(photos, [Slic(9), Grid(16)], image_size=16, repeats=1, formats=["png", "pdf"])
    images = torch.stack([torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1) / 255 for path in photos])
    kept = np.load(folder / "segments.npz")
    lines = (folder / "segments.csv").read_text().splitlines()
    for name, segmenter in (("Slic", Slic(9)), ("Grid", Grid(16))):
        segments = segmenter(images)
        assert np.array_equal(kept[name], segments)
        counts = [int(line.split(",")[2]) for line in lines[1:] if f",{name}," in line]
        assert counts == num_segments(segments).tolist()
    assert sorted(path.name for path in folder.glob("partitions*")) == [
        f"partitions_page0{page}.{ending}" for page in (1, 2) for ending in ("pdf", "png")
    ]


def test_spx_segment_compares_all_algorithms(capsys: Captured, photos: list[str]) -> None:
    main(["segment", *photos[:2], "--image_size=16", "--repeats=1"])
    folder = Path(capsys.readouterr().out.splitlines()[-1].removeprefix("partitions: "))
    assert set(np.load(folder / "segments.npz")) == {
        "Slic",
        "Felzenszwalb",
        "Quickshift",
        "Watershed",
        "Grid",
        "Voronoi",
    }
    assert "`repeats` to be at least 1, got 0" in refusal(capsys, ["segment", photos[0], "--repeats=0"])
    assert "found a folder without images at ." in refusal(capsys, ["segment", "."])
