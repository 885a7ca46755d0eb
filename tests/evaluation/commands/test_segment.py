"""Partitions of photos are drawn with their counts, and kept."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_spx.cli import main
from lightning_spx.evaluation.commands.segment import segment_photos
from lightning_spx.superpixels import Grid, ImagePooling, Slic, Watershed, num_segments
from tests.command_line import Captured, refusal
from tests.made_images import MadeImages, band_files
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


def test_a_filter_is_refused_because_it_has_no_segments(capsys: Captured, photos: list[str]) -> None:
    line = refusal(capsys, ["segment", photos[0], "--superpixels=[Slic,JointBilateral]"])
    assert "Expected a segmenter for `spx segment`, got JointBilateral, which is a filter: it has no segments." in line
    assert not list(Path().glob("runs/*"))


def test_files_of_ten_bands_are_segmented_by_all_of_them_or_by_their_colors(tmp_path: Path) -> None:
    files, bands = band_files(tmp_path / "bands", 3, channels=10), [7, 0, 3]
    kinds: list[ImagePooling] = [Slic(4), Watershed(markers=4)]
    folder = segment_photos(files, kinds, image_size=16, channels=10, to_rgb=bands, repeats=1)
    images = torch.from_numpy(MadeImages(10, num_test=3).arrays("test")).permute(0, 3, 1, 2).float() / 255
    kept = np.load(folder / "segments.npz")
    assert np.array_equal(kept["Slic"], Slic(4)(images))
    assert np.array_equal(kept["Watershed"], Watershed(markers=4)(images[:, bands]))
    with pytest.raises(ValueError, match="for Watershed, got 10 channels: set `to_rgb`"):
        segment_photos(files, kinds, image_size=16, channels=10)


def test_gray_photos_are_segmented_in_gray(photos: list[str]) -> None:
    folder = segment_photos(photos, [Slic(9), Watershed(markers=4)], image_size=16, channels=1, repeats=1)
    gray = torch.stack([torch.from_numpy(np.array(Image.open(path).convert("L")))[None] / 255 for path in photos])
    kept = np.load(folder / "segments.npz")
    assert np.array_equal(kept["Slic"], Slic(9)(gray))
    assert np.array_equal(kept["Watershed"], Watershed(markers=4)(gray.expand(-1, 3, -1, -1)))


def test_files_of_12_bits_need_a_window(tmp_path: Path, capsys: Captured) -> None:
    deep = np.arange(256, dtype=np.uint16).reshape(16, 16) * 16
    Image.fromarray(deep).save("deep.png")
    assert "deep.png" in refusal(capsys, ["segment", "deep.png", "--superpixels=[Grid]"])
    main(["segment", "deep.png", "--image_size=16", "--repeats=1", "--superpixels=[Watershed]", "--window=[0,4095]"])
    folder = Path(capsys.readouterr().out.splitlines()[-1].removeprefix("partitions: "))
    image = torch.from_numpy((deep / 4095).astype(np.float32)).expand(1, 3, 16, 16)
    assert np.array_equal(np.load(folder / "segments.npz")["Watershed"], Watershed()(image))
    assert "window" in (folder / "config.yaml").read_text()
