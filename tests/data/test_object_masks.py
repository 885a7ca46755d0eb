"""One entry reads the object's mask from the files of all tools: right, or refused in a line that names the file."""

import json
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from lightning_spx.data.bird_images import read_mask
from lightning_spx.data.object_masks import read_object_mask
from lightning_spx.formats import once
from tests.formats.made_masks import (
    SIZE,
    blocks,
    coco_file,
    compressed,
    cvat_file,
    labelme_file,
    letter,
    png,
    row_lengths,
    sam_masks,
    uncompressed,
)
from tests.inputs.outcomes import refused

OBJECT = letter()
# 255 is the void around objects in VOC's palettes
IDS = np.where(OBJECT, 15, np.where(blocks()[2], 255, 0))
IDS[0, :6] = 20
BOX = np.zeros(SIZE, np.bool_)
BOX[2:7, 3:12] = True


def palette(path: Path) -> Path:
    picture = Image.fromarray(IDS.astype(np.uint8)).convert("P")
    picture.putpalette([number * 5 % 256 for number in range(768)])
    picture.save(path)
    return path


def saved(path: Path, content: np.ndarray) -> Path:
    if path.suffix == ".npy":
        np.save(path, content)
    elif path.suffix == ".npz":
        np.savez_compressed(path, content)
    elif path.suffix in (".tif", ".tiff"):
        tifffile.imwrite(path, content)
    elif path.suffix == ".png":
        assert cv2.imwrite(str(path), content)
    return path


def written(path: Path, content: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(content))
    return path


def cvat_mask(path: Path) -> Path:
    part = OBJECT[2:11, 3:16]
    mask = f'<mask label="jay" rle="{row_lengths(part)}" left="3" top="2" width="13" height="9"/>'
    return cvat_file(path, f'{mask}<box label="robin" xtl="0" ytl="0" xbr="4" ybr="4"/>')


def labelme_mask(path: Path) -> Path:
    drawn = {"shape_type": "mask", "points": [[3, 2], [15, 10]], "mask": png(OBJECT[2:11, 3:16])}
    return labelme_file(path, [drawn, {"shape_type": "rectangle", "points": [[0, 0], [5, 5]], "label": "robin"}])


# what writes a file, and the labels of its object
FILES: dict[str, tuple[Any, list[str] | None]] = {
    "coco string": (lambda folder: coco_file(folder / "a.json", [compressed(OBJECT), compressed(BOX)]), ["jay"]),
    "coco counts": (lambda folder: coco_file(folder / "a.json", [uncompressed(OBJECT), compressed(BOX)]), ["jay"]),
    "sam, first": (lambda folder: written(folder / "jay.json", sam_masks([OBJECT, BOX])), ["1"]),
    "sam alone": (lambda folder: written(folder / "jay.json", sam_masks([OBJECT], uncompressed)), None),
    "labelme": (lambda folder: labelme_mask(folder / "jay.json"), ["jay"]),
    "cvat": (lambda folder: cvat_mask(folder / "a.xml"), ["jay"]),
    "palette of VOC": (lambda folder: palette(folder / "jay.png"), ["15"]),
    "8 bits": (lambda folder: saved(folder / "jay.png", IDS.astype(np.uint8)), ["15"]),
    "16 bits": (lambda folder: saved(folder / "jay.png", (IDS * 200).astype(np.uint16)), ["3000"]),
    "TIFF of 32 bits": (lambda folder: saved(folder / "jay.tif", IDS.astype(np.uint32) * 2**24), [str(15 * 2**24)]),
    "TIFF of 64 bits": (lambda folder: saved(folder / "jay.tif", IDS + 2**60), [str(2**60 + 15)]),
    "array": (lambda folder: saved(folder / "jay.npy", IDS - 100), ["-85"]),
    "array without a sign": (
        lambda folder: saved(folder / "jay.npy", IDS.astype(np.uint64) + np.uint64(2**63)),
        [str(2**63 + 15), "-1", str(2**70)],
    ),
    "packed array": (lambda folder: saved(folder / "jay.npz", IDS.astype(np.int16)), ["15"]),
    "array of truths": (lambda folder: saved(folder / "jay.npy", OBJECT), None),
    "packed truths": (lambda folder: saved(folder / "jay.npz", OBJECT), None),
    "picture": (lambda folder: saved(folder / "jay.png", OBJECT.astype(np.uint8) * 255), None),
    "TIFF picture": (lambda folder: saved(folder / "jay.tif", OBJECT.astype(np.uint8) * 255), None),
}


@pytest.mark.parametrize("name", FILES)
def test_the_object_is_where_it_was_written(name: str, tmp_path: Path) -> None:
    write, labels = FILES[name]
    mask = read_object_mask(write(tmp_path), SIZE, "birds/jay.jpg", labels=labels)
    assert mask.dtype == torch.float32
    assert np.array_equal(mask.numpy(), OBJECT.astype(np.float32))


def test_several_labels_are_joined_and_void_counts_only_if_it_is_named(tmp_path: Path) -> None:
    path = palette(tmp_path / "jay.png")
    both = read_object_mask(path, SIZE, "jay.jpg", labels=["15", "20"]).numpy()
    assert np.array_equal(both > 0, (IDS > 0) & (IDS < 255))
    void = read_object_mask(path, SIZE, "jay.jpg", labels=["255"]).numpy()
    assert np.array_equal(void > 0, IDS == 255)
    assert void.any()
    path = coco_file(tmp_path / "a.json", [compressed(mask) for mask in blocks()])
    found = read_object_mask(path, SIZE, "birds/jay.jpg", labels=["jay", "robin"]).numpy()
    assert np.array_equal(found > 0, np.any(blocks(), axis=0))


def test_frames_of_stacks_are_chosen(tmp_path: Path) -> None:
    path = tmp_path / "jay.tif"
    tifffile.imwrite(path, np.stack([IDS * 0, IDS]).astype(np.uint16), photometric="minisblack")
    assert np.array_equal(read_object_mask(path, SIZE, "jay.jpg", 1, ["15"]).numpy() > 0, OBJECT & (IDS == 15))
    refused(lambda: read_object_mask(path, SIZE, "jay.jpg", 1), str(path), "Expected `labels`")


def test_pictures_without_labels_are_read_as_before(tmp_path: Path) -> None:
    levels = np.repeat(np.linspace(0, 255, SIZE[1]).astype(np.uint8)[None], SIZE[0], 0)
    path = saved(tmp_path / "soft.png", levels)
    assert torch.equal(read_object_mask(path, SIZE, "jay.jpg"), read_mask(path, SIZE))


def test_labels_that_no_pixel_has_are_warned_of_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "_SAID", set())
    path = saved(tmp_path / "jay.npy", IDS)
    with pytest.warns(UserWarning, match=r"jay\.npy has no pixel of 7: it is empty"):
        assert not read_object_mask(path, SIZE, "jay.jpg", labels=["7"]).any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not read_object_mask(path, SIZE, "jay.jpg", labels=["7"]).any()


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "ids without labels": (FILES["array"][0], {}, "truths of shape (12, 17)"),
    "numbers of classes without labels": (
        lambda folder: saved(folder / "jay.png", np.where(BOX, 3, 0).astype(np.uint8)),
        {},
        "255 on the object",
    ),
    "regions of two labels": (FILES["coco string"][0], {}, "which has jay, robin, owl, got none"),
    "masks without names": (FILES["sam, first"][0], {}, "which has 1, 2, got none"),
    "a class that is not there": (FILES["coco string"][0], {"labels": ["dog"]}, "among jay, robin, owl, got dog, in"),
    "a name for numbers": (FILES["array"][0], {"labels": ["jay"]}, "to be numbers"),
    "a frame of a picture": (FILES["picture"][0], {"frame": 0}, "Expected no `frame`"),
    "a frame of regions": (FILES["coco string"][0], {"frame": 0, "labels": ["jay"]}, "Expected no `frame`"),
    "a frame of an array": (FILES["array"][0], {"frame": 0, "labels": ["1"]}, "it has no frames"),
    "another photo": (FILES["labelme"][0], {"labels": ["jay"], "image": "robin.jpg"}, "the shapes of"),
    "another size": (FILES["array"][0], {"labels": ["1"], "size": (17, 12)}, "of shape (17, 12)"),
    "another size of regions": (FILES["cvat"][0], {"labels": ["jay"], "size": (17, 12)}, "EXIF"),
    "colors": (
        lambda folder: saved(folder / "jay.png", np.zeros((*SIZE, 3), np.uint8)),
        {"labels": ["1"]},
        "of mode RGB",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_all_else_is_refused(name: str, tmp_path: Path) -> None:
    write, changes, reason = REFUSED[name]
    path = write(tmp_path)
    given = {"size": SIZE, "image": "birds/jay.jpg", **changes}
    refused(lambda: read_object_mask(path, **given), str(path), reason)


def test_a_missing_file_and_a_photo_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"a mask at .*none\.json, found none"):
        read_object_mask(tmp_path / "none.json", SIZE, "jay.jpg")
    path = tmp_path / "jay.jpg"
    Image.fromarray(IDS.astype(np.uint8)).save(path)
    refused(lambda: read_object_mask(path, SIZE, "jay.jpg", labels=["15"]), str(path), "ends with none of")


def test_slices_of_scans_need_labels(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    pytest.importorskip("lightning_spx.formats.nifti")
    path = tmp_path / "jay.nii.gz"
    nibabel.save(nibabel.Nifti1Image(IDS.T[::-1, ::-1, None].astype(np.int32), np.eye(4)), path)
    mask = read_object_mask(path, SIZE, "jay.nii.gz", labels=["15"])
    assert np.array_equal(mask.numpy() > 0, IDS == 15)
    refused(lambda: read_object_mask(path, SIZE, "jay.nii.gz"), str(path), "Expected `labels`")
