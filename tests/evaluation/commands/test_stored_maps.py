"""Label maps named after photos become the segments of the photos as models see them."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from lightning_spx.cli import main
from lightning_spx.data import ImageFolderDataModule
from lightning_spx.data.photos import InputImages, find_images, read_images
from lightning_spx.evaluation.commands.stored_maps import store_maps
from lightning_spx.superpixels import Precomputed
from tests.command_line import Captured
from tests.formats.made_masks import compressed
from tests.inputs.outcomes import refused
from tests.pictures import drawn

HEIGHT, WIDTH, SIDE = 48, 64, 16


def labels_of(number: int) -> np.ndarray:
    """Four blocks of the photo, one of them without an id."""
    labels = np.zeros((HEIGHT, WIDTH), np.int64)
    labels[:24, :32], labels[:24, 32:], labels[24:, :32] = 2**24 + 1, 2**24 + 2, 3 + number
    return labels


@pytest.fixture
def photos(tmp_path: Path) -> InputImages:
    """Photos whose colors show where the blocks are."""
    folder = tmp_path / "photos" / "jay"
    folder.mkdir(parents=True)
    for number in range(3):
        values = np.unique(labels_of(number), return_inverse=True)[1].reshape(HEIGHT, WIDTH)
        noise = np.random.default_rng(number).integers(0, 9, (HEIGHT, WIDTH, 3))
        Image.fromarray((values[..., None] * 60 + noise).astype(np.uint8)).save(folder / f"{number}.bmp")
    return read_images(find_images([folder]), SIDE)


def sam_file(path: Path, number: int) -> None:
    labels = labels_of(number)
    masks = [labels == each for each in np.unique(labels) if each]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([{"segmentation": compressed(mask), "area": int(mask.sum())} for mask in masks]))


def check(photos: InputImages, maps: torch.Tensor, root: Path) -> None:
    """The blocks are divided in the middle of the square, and the photo shows them there."""
    segments = Precomputed(root)(photos.images)
    assert maps.shape == segments.shape == (3, SIDE, SIDE)
    upper, lower = slice(0, 8), slice(8, 16)
    for number in range(3):
        seen = []
        for rows, columns, level in ((upper, upper, 2), (upper, lower, 3), (lower, upper, 1), (lower, lower, 0)):
            for found in (segments[number], maps[number]):
                assert found[rows, columns].min() == found[rows, columns].max()
            inner = photos.images[number][:, rows, columns][:, 2:-2, 2:-2]
            assert abs(float(inner.mean()) * 255 / 60 - level) < 0.1
            seen.append(int(segments[number][rows, columns][0, 0]))
        assert sorted(seen) == [0, 1, 2, 3]


@pytest.mark.parametrize("suffix", [".npy", ".tif", ".json"])
@pytest.mark.parametrize("place", ["beside", "apart", "apart in folders"])
def test_maps_lie_where_their_photos_do(photos: InputImages, suffix: str, place: str, tmp_path: Path) -> None:
    beside, apart = tmp_path / "photos" / "jay", tmp_path / "maps"
    folder = {"beside": beside, "apart": apart, "apart in folders": apart / "jay"}[place]
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(3):
        if suffix == ".json":
            sam_file(folder / f"{number}.json", number)
        elif suffix == ".npy":
            np.save(folder / f"{number}.npy", labels_of(number))
        else:
            tifffile.imwrite(folder / f"{number}.tif", labels_of(number).astype(np.uint32))
    given = beside.parent if place == "beside" else apart
    if suffix == ".json":
        with pytest.warns(UserWarning, match=r"25\.0% of the pixels of 3 photos lie in no region of"):
            maps = store_maps(photos, given, tmp_path / "root")
    else:
        maps = store_maps(photos, given, tmp_path / "root")
    check(photos, maps, tmp_path / "root")


def test_one_file_of_coco_holds_all_maps(photos: InputImages, tmp_path: Path) -> None:
    annotations = [
        {"id": 9, "image_id": number, "category_id": 1, "segmentation": compressed(labels_of(number) == each)}
        for number in range(3)
        for each in (2**24 + 1, 2**24 + 2, 3 + number)
    ]
    images = [{"id": at, "file_name": f"jay/{at}.bmp", "height": HEIGHT, "width": WIDTH} for at in range(3)]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "part"}]}
    (tmp_path / "instances.json").write_text(json.dumps(content))
    with pytest.warns(UserWarning, match="lie in no region"):
        maps = store_maps(photos, tmp_path / "instances.json", tmp_path / "root")
    check(photos, maps, tmp_path / "root")


def test_the_key_is_that_of_the_images_of_a_data_module(photos: InputImages, tmp_path: Path) -> None:
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", labels_of(number))
    store_maps(photos, tmp_path, tmp_path / "root")
    for part in ("train", "test"):
        (tmp_path / "set" / part / "jay").mkdir(parents=True)
        (tmp_path / "set" / part / "owl").mkdir()
        for path in photos.paths:
            (tmp_path / "set" / part / "jay" / path.name).write_bytes(path.read_bytes())
        (tmp_path / "set" / part / "owl" / "0.bmp").write_bytes(photos.paths[0].read_bytes())
    test = ImageFolderDataModule(root=tmp_path / "set", image_size=SIDE).test()
    images = torch.stack([test.read(at)[0] for at in range(3)])
    assert torch.equal(Precomputed(tmp_path / "root")(images), Precomputed(tmp_path / "root")(photos.images))


def test_spx_segment_draws_and_stores_them(photos: InputImages, tmp_path: Path, capsys: Captured) -> None:
    for number, path in enumerate(photos.paths):
        sam_file(path.with_suffix(".json"), number)
    folder = str(photos.paths[0].parent)
    arguments = [f"--image_size={SIDE}", "--repeats=1", f"--maps={folder}", f"--out={tmp_path / 'out'}"]
    with drawn(), pytest.warns(UserWarning, match="25.0% of the pixels of 3 photos"):
        main(["segment", folder, "--superpixels=[Grid]", *arguments])
    assert "partitions" in capsys.readouterr().out
    kept = np.load(tmp_path / "out" / "segments.npz")
    assert set(kept) == {"Grid", "Precomputed"}
    assert np.array_equal(kept["Precomputed"], Precomputed(tmp_path / "out" / "maps")(photos.images))


def test_photos_without_a_map_or_with_two_are_refused(photos: InputImages, tmp_path: Path) -> None:
    root = tmp_path / "root"
    refused(lambda: store_maps(photos, tmp_path / "nowhere", root), "`maps`", "nowhere")
    refused(lambda: store_maps(photos, tmp_path, root), str(photos.paths[0]), "the map of")
    for suffix in ("npy", "json"):
        (tmp_path / f"0.{suffix}").write_text("")
    refused(lambda: store_maps(photos, tmp_path, root), "Expected one map of", "0.npy and", "0.json")
    (tmp_path / "0.json").unlink()
    np.save(tmp_path / "0.npy", labels_of(0).T)
    refused(lambda: store_maps(photos, tmp_path, root), "0.npy", "(64, 48)", "(48, 64)")
    assert not root.exists()
