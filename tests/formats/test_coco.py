"""Regions of COCO are those of COCO's own tool."""

import contextlib
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO

from lightning_spx.formats.regions import read_regions, union
from tests.formats.made_masks import SIZE, Flags, blocks, coco_file, compressed, letter, uncompressed
from tests.inputs.outcomes import refused

TRIANGLE = [2.3, 1.1, 14.8, 3.6, 6.2, 10.9]
SQUARE = [1, 1, 4, 1, 4, 4, 1, 4]
STAR = [8.0, 0.5, 12.5, 11.5, 1.2, 4.4, 15.6, 4.4, 3.5, 11.5]


def reference(path: Path) -> list[Flags]:
    with contextlib.redirect_stdout(io.StringIO()):
        tool = COCO(str(path))
    return [tool.annToMask(tool.anns[number]) > 0 for number in tool.getAnnIds(imgIds=[7])]


@pytest.mark.parametrize(
    "segmentation",
    [
        [TRIANGLE],
        [SQUARE],
        [STAR],
        # parts of one object, and a part inside another, which is no hole
        [SQUARE, TRIANGLE],
        [[0, 0, 17, 0, 17, 12, 0, 12], SQUARE],
        # outside of the photo, as boxes drawn at its edge are
        [[-2.5, 3, 20, 3, 20, 15, -2.5, 15]],
        compressed(letter()),
        uncompressed(letter()),
        compressed(np.zeros(SIZE, np.bool_)),
        compressed(np.ones(SIZE, np.bool_)),
        uncompressed(~letter()),
    ],
)
def test_masks_are_those_of_pycocotools(segmentation: object, tmp_path: Path) -> None:
    path = coco_file(tmp_path / "instances.json", [segmentation])
    (found,) = read_regions(path, "birds/jay.jpg", SIZE)
    (theirs,) = reference(path)
    assert np.array_equal(found.mask, theirs)
    assert (found.label, found.instance) == ("jay", 1)


def test_a_square_has_nine_pixels_and_a_letter_its_own(tmp_path: Path) -> None:
    path = coco_file(tmp_path / "instances.json", [[SQUARE], compressed(letter())])
    square, drawn = read_regions(path, "birds/jay.jpg", SIZE)
    assert square.area == 9
    assert square.mask[1:4, 1:4].all()
    assert np.array_equal(drawn.mask, letter())
    assert drawn.label == "robin"


def test_several_instances_keep_their_labels_and_join_by_label(tmp_path: Path) -> None:
    path = coco_file(tmp_path / "instances.json", [compressed(mask) for mask in blocks()])
    regions = read_regions(path, "jay.jpg", SIZE)
    assert [(each.label, each.instance) for each in regions] == [("jay", 1), ("robin", 2), ("jay", 3)]
    assert np.array_equal(union(regions, ["jay"]), blocks()[0] | blocks()[2])
    assert np.array_equal(union(regions, ["robin"]), blocks()[1])
    assert not union(regions, ["owl"]).any()


def test_a_photo_without_annotations_has_no_regions_and_another_is_refused(tmp_path: Path) -> None:
    path = coco_file(tmp_path / "instances.json", [[SQUARE]])
    regions = read_regions(path, "birds/none.jpg", SIZE)
    assert len(regions) == 0
    assert union(regions).shape == SIZE
    message = refused(lambda: read_regions(path, "other.jpg", SIZE), "instances.json", "does not name other.jpg")
    assert "birds/jay.jpg, birds/none.jpg" in message


def test_a_file_is_parsed_once_and_again_when_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = coco_file(tmp_path / "instances.json", [[SQUARE]])
    calls: list[int] = []
    original = json.loads

    def counted(content: bytes, *, parse_constant: Callable[[str], object] | None = None) -> object:
        calls.append(len(content))
        return original(content, parse_constant=parse_constant)

    monkeypatch.setattr(json, "loads", counted)
    for _ in range(3):
        read_regions(path, "birds/jay.jpg", SIZE)
    size = path.stat().st_size
    assert calls.count(size) == 1
    coco_file(path, [[SQUARE], [TRIANGLE]])
    assert len(read_regions(path, "birds/jay.jpg", SIZE)) == 2


def test_sizes_are_those_of_the_photo_and_turned_ones_are_explained(tmp_path: Path) -> None:
    path = coco_file(tmp_path / "instances.json", [[SQUARE]])
    refused(lambda: read_regions(path, "birds/jay.jpg", (24, 34)), "17 x 12", "34 x 24", "instances.json")
    refused(lambda: read_regions(path, "birds/jay.jpg", SIZE[::-1]), "17 x 12", "12 x 17", "EXIF", "upright")


WRONG: dict[str, tuple[Any, str]] = {
    "a box alone": ([], "its annotation 40 has no segmentation: a bounding box is no mask"),
    # pycocotools would take them for left, top, width and height
    "a polygon of four numbers": ([[1, 1, 4, 4]], "2 points, which enclose nothing"),
    "an odd number of numbers": ([[1, 2, 3, 4, 5, 6, 7]], "no list of x, y"),
    "numbers without a list": ([1, 2, 3, 4, 5, 6], "no list of x, y"),
    "words": ([["a"] * 6], "no pairs of numbers"),
    "a point far away": ([[1, 1, 9000000, 1, 4, 4]], "far outside"),
    "runs that are too short": ({"size": list(SIZE), "counts": [4, 5]}, "fill 9 pixels"),
    "runs of another size": ({"size": [3, 3], "counts": [4, 5]}, "got one of 17 x 12"),
    "runs without a size": ({"counts": [4, 5]}, "lacks `size`"),
    "runs of a size of three": ({"size": [12, 17, 3], "counts": [4, 5]}, "no height and width"),
    "no runs": ({"size": list(SIZE)}, "neither a string nor a list"),
    "a string of another tool": ({"size": list(SIZE), "counts": "1 3 10 5"}, "no string of COCO"),
    "a number": (7, "neither a list of polygons nor run lengths"),
}


@pytest.mark.parametrize("name", WRONG)
def test_other_segmentations_are_refused(name: str, tmp_path: Path) -> None:
    segmentation, reason = WRONG[name]
    path = coco_file(tmp_path / "instances.json", [segmentation])
    refused(lambda: read_regions(path, "birds/jay.jpg", SIZE), "instances.json", "birds/jay.jpg", reason)


IMAGE = {"id": 7, "file_name": "a.jpg", "height": 12, "width": 17}
FILES: dict[str, tuple[dict[str, Any], str]] = {
    "a photo twice": ({"images": [IMAGE, IMAGE | {"id": 8}]}, "it names the photo a.jpg twice"),
    "a number twice": ({"images": [IMAGE, IMAGE | {"file_name": "b.jpg"}]}, "have 1 different numbers"),
    "a name twice": ({"categories": [{"id": 3, "name": "jay"}, {"id": 1, "name": "jay"}]}, "numbers or names twice"),
    "an unknown photo": ({"images": [IMAGE | {"id": 5}], "annotations": [{"image_id": 6}]}, "does not list"),
    "an unknown class": ({"categories": [{"id": 2, "name": "owl"}]}, "the category 3, which it does not list"),
    "no height": ({"images": [{"id": 7, "file_name": "a.jpg"}]}, "`height` should be a number, got None"),
    "half a width": ({"images": [IMAGE | {"width": 1.5}]}, "`width` should be a whole number, got 1.5"),
    "no categories": ({"categories": None}, "`categories` should be a list, got None"),
}


@pytest.mark.parametrize("name", FILES)
def test_other_files_are_refused(name: str, tmp_path: Path) -> None:
    changes, reason = FILES[name]
    path = coco_file(tmp_path / "instances.json", [[SQUARE]], **changes)
    refused(lambda: read_regions(path, "birds/jay.jpg" if "images" not in changes else "a.jpg"), str(path), reason)


def test_pycocotools_is_asked_for_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    path = coco_file(tmp_path / "polygons.json", [[SQUARE]])
    refused(lambda: read_regions(path, "jay.jpg", SIZE), str(path), 'pip install "lightning_spx[coco]"')
    # run lengths need no extra
    path = coco_file(tmp_path / "runs.json", [compressed(letter())])
    assert np.array_equal(union(read_regions(path, "jay.jpg", SIZE)), letter())
