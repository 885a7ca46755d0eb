"""Shapes of labelme, each known by construction."""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from lightning_spx.formats import once
from lightning_spx.formats.regions import read_regions, union
from tests.formats.made_masks import SIZE, Flags, labelme_file, letter, png
from tests.inputs.outcomes import refused


def shape(kind: str | None, points: Sequence[Sequence[float]], **others: object) -> dict[str, Any]:
    return {"shape_type": kind, "points": points, **others}


def one(tmp_path: Path, given: dict[str, Any]) -> Flags:
    path = labelme_file(tmp_path / "jay.json", [given])
    (found,) = read_regions(path, "photos/jay.png", SIZE)
    return found.mask


BOX = np.zeros(SIZE, np.bool_)
BOX[2:7, 3:12] = True


@pytest.mark.parametrize(
    "given",
    [
        shape("polygon", [[3, 2], [12, 2], [12, 7], [3, 7]]),
        # old files have no types
        shape(None, [[3, 2], [12, 2], [12, 7], [3, 7]]),
        shape("rectangle", [[3, 2], [12, 7]]),
        shape("rectangle", [[12, 2], [3, 7]]),
        shape("rectangle", [[3, 2], [12, 2], [12, 7], [3, 7]]),
        shape("oriented_rectangle", [[3, 2], [12, 2], [12, 7], [3, 7]]),
        shape("mask", [[3, 2], [11, 6]], mask=png(np.full((5, 9), 255, np.uint8))),
        shape("mask", [[3.0, 2.0], [11.0, 6.0]], mask=png(np.ones((5, 9), np.bool_))),
    ],
)
def test_a_box_in_every_form_has_the_same_pixels(given: dict[str, Any], tmp_path: Path) -> None:
    assert np.array_equal(one(tmp_path, given), BOX)


def test_a_drawn_mask_keeps_its_pixels_and_its_place(tmp_path: Path) -> None:
    found = one(tmp_path, shape("mask", [[3, 2], [15, 10]], mask=png(letter()[2:11, 3:16])))
    assert np.array_equal(found, letter())


def test_a_circle_is_given_by_its_middle_and_a_point_on_it(tmp_path: Path) -> None:
    found = one(tmp_path, shape("circle", [[8, 6], [11, 10]]))
    distances = [[math.dist((x + 0.5, y + 0.5), (8, 6)) for x in range(SIZE[1])] for y in range(SIZE[0])]
    assert np.array_equal(found, np.array(distances) <= 5)


def test_labelmes_own_export_has_the_outline_too(tmp_path: Path) -> None:
    points = [[1, 1], [4, 1], [4, 4], [1, 4]]
    picture = Image.new("1", SIZE[::-1])
    ImageDraw.Draw(picture).polygon([(x, y) for x, y in points], outline=1, fill=1)
    theirs, ours = np.asarray(picture), one(tmp_path, shape("polygon", points))
    assert (theirs.sum(), ours.sum(), (ours & theirs).sum()) == (16, 9, 9)


def test_shapes_of_a_group_are_one_instance_of_their_label(tmp_path: Path) -> None:
    corners = [[[0, 0], [2, 2]], [[4, 4], [6, 6]], [[8, 8], [10, 10]], [[12, 2], [14, 4]]]
    groups = [("jay", 5), ("robin", 5), ("jay", 5), ("jay", None)]
    shapes = [
        shape("rectangle", points, label=label, group_id=group)
        for points, (label, group) in zip(corners, groups, strict=True)
    ]
    regions = read_regions(labelme_file(tmp_path / "jay.json", shapes), "jay.jpg", SIZE)
    assert [(each.label, each.instance, each.area) for each in regions] == [
        ("jay", 1, 8),
        ("robin", 2, 4),
        ("jay", 3, 4),
    ]
    assert union(regions, ["jay"]).sum() == 12
    assert not union(regions, ["owl"]).any()


def test_lines_and_points_are_counted_and_warned_of_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "_SAID", set())
    shapes = [shape("line", [[1, 2], [3, 4]]), shape("point", [[1, 2]]), shape("point", [[3, 2]])]
    path = labelme_file(tmp_path / "jay.json", [*shapes, shape("rectangle", [[3, 2], [12, 7]])])
    with pytest.warns(UserWarning, match=r"jay\.json holds 1 line, 2 point, which have no area"):
        regions = read_regions(path, "jay.jpg", SIZE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_regions(path, "jay.jpg", SIZE)
    assert (len(regions), regions.left_out) == (1, {"line": 1, "point": 2})


WRONG: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "another photo": ({}, {"imagePath": "robin.jpg"}, "it holds the shapes of robin.jpg"),
    "another size": ({}, {"imageHeight": 24}, "for a photo of 17 x 24 pixels, got one of 17 x 12"),
    "a turned photo": ({}, {"imageHeight": 17, "imageWidth": 12}, "EXIF"),
    "no size": ({}, {"imageHeight": None}, "states no `imageHeight`"),
    "a cube": (shape("cube", [[3, 2], [12, 7]]), {}, "of the type 'cube'"),
    "a circle of three points": (shape("circle", [[3, 2], [12, 7], [1, 1]]), {}, "a circle has 3 points"),
    "a line called polygon": (shape("polygon", [[3, 2], [12, 7]]), {}, "2 points, which enclose nothing"),
    "no label": (shape("rectangle", [[3, 2], [12, 7]], label=None), {}, "`label` should be a str"),
    "no points": ({"shape_type": "polygon"}, {}, "lacks `points`"),
    "a mask of another size": (
        shape("mask", [[3, 2], [12, 7]], mask=png(np.ones((5, 9), np.bool_))),
        {},
        "a picture of 9 x 5 of mode 1, and its box of 10 x 6",
    ),
    "a mask outside": (
        shape("mask", [[13, 2], [21, 6]], mask=png(np.ones((5, 9), np.bool_))),
        {},
        "13, 2 to 21, 6, leaves the photo",
    ),
    "a mask that is no picture": (shape("mask", [[3, 2], [11, 6]], mask="AAAA"), {}, "cannot identify"),
    "a mask that is no base64": (shape("mask", [[3, 2], [11, 6]], mask="?"), {}, "not in base64"),
    "no mask": (shape("mask", [[3, 2], [11, 6]], mask=None), {}, "`mask` should be a str, got None"),
    "a group that is a list": (shape("rectangle", [[3, 2], [11, 6]], group_id=[1]), {}, "neither a number nor"),
}


@pytest.mark.parametrize("name", WRONG)
def test_other_shapes_are_refused(name: str, tmp_path: Path) -> None:
    given, changes, reason = WRONG[name]
    path = labelme_file(tmp_path / "jay.json", [given or shape("rectangle", [[3, 2], [12, 7]])], **changes)
    refused(lambda: read_regions(path, "photos/jay.jpg", SIZE), str(path), "photos/jay.jpg", reason)
