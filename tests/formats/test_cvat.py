"""Shapes of CVAT's format for images, each known by construction."""

from pathlib import Path

import numpy as np
import pytest

from lightning_spx.formats import once
from lightning_spx.formats.regions import label_map, read_regions, union
from tests.formats.made_masks import SIZE, cvat_file, letter, row_lengths
from tests.inputs.outcomes import refused

BOX = np.zeros(SIZE, np.bool_)
BOX[2:7, 3:12] = True


@pytest.mark.parametrize(
    "shape",
    [
        '<box label="jay" source="manual" occluded="0" xtl="3.00" ytl="2.00" xbr="12.00" ybr="7.00" z_order="0"/>',
        '<polygon label="jay" points="3.00,2.00;12.00,2.00;12.00,7.00;3.00,7.00" z_order="0"></polygon>',
        '<mask label="jay" rle="0, 45" left="3" top="2" width="9" height="5" z_order="0"/>',
        # the same box, turned by a quarter about its middle (7.5, 4.5)
        '<box label="jay" xtl="5.00" ytl="0.00" xbr="10.00" ybr="9.00" rotation="90.00"/>',
    ],
)
def test_a_box_in_every_form_has_the_same_pixels(shape: str, tmp_path: Path) -> None:
    (found,) = read_regions(cvat_file(tmp_path / "annotations.xml", shape), "photos/birds/jay.jpg", SIZE)
    assert np.array_equal(found.mask, BOX)
    assert found.label == "jay"


def test_runs_go_along_the_rows_of_their_box(tmp_path: Path) -> None:
    part = letter()[2:11, 3:16]
    shape = f'<mask label="jay" rle="{row_lengths(part)}" left="3" top="2" width="13" height="9"/>'
    (found,) = read_regions(cvat_file(tmp_path / "annotations.xml", shape), "jay.jpg", SIZE)
    assert np.array_equal(found.mask, letter())


def test_an_ellipse_turns_clockwise(tmp_path: Path) -> None:
    shape = '<ellipse label="jay" cx="8.00" cy="6.00" rx="5.00" ry="2.00" rotation="{}"/>'
    (flat,) = read_regions(cvat_file(tmp_path / "flat.xml", shape.format(0)), "jay.jpg", SIZE)
    (upright,) = read_regions(cvat_file(tmp_path / "upright.xml", shape.format(90)), "jay.jpg", SIZE)
    (slanted,) = read_regions(cvat_file(tmp_path / "slanted.xml", shape.format(45)), "jay.jpg", SIZE)
    assert flat.inside.shape == (4, 10)
    assert upright.inside.shape == (10, 4)
    down, across = np.nonzero(slanted.mask)
    assert np.corrcoef(down, across)[0, 1] > 0.5


def test_the_highest_order_lies_on_top_and_groups_are_one_instance(tmp_path: Path) -> None:
    shapes = """
      <box label="jay" xtl="0" ytl="0" xbr="4" ybr="4" z_order="2"/>
      <box label="robin" xtl="1" ytl="1" xbr="9" ybr="9" z_order="1" group_id="7"/>
      <box label="robin" xtl="11" ytl="1" xbr="14" ybr="9" z_order="0" group_id="7"/>
    """
    regions = read_regions(cvat_file(tmp_path / "annotations.xml", shapes), "jay.jpg", SIZE)
    assert [(each.label, each.instance, each.area) for each in regions] == [("robin", 1, 88), ("jay", 2, 16)]
    assert (label_map(regions, "last") == 2).sum() == 16
    assert (label_map(regions, "last") == 1).sum() == 88 - 9
    assert union(regions, ["robin"]).sum() == 88


def test_labels_of_other_photos_are_known_and_others_are_not(tmp_path: Path) -> None:
    path = cvat_file(tmp_path / "annotations.xml", '<box label="jay" xtl="0" ytl="0" xbr="4" ybr="4"/>')
    regions = read_regions(path, "jay.jpg", SIZE)
    assert regions.names == ("jay", "robin")
    assert not union(regions, ["robin"]).any()
    refused(lambda: union(regions, ["owl"]), "jay, robin", "owl")
    assert len(read_regions(path, "none.jpg", SIZE)) == 0


def test_what_has_no_area_or_is_outside_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "_SAID", set())
    shapes = """<polyline label="jay" points="1,1;5,5"/><points label="jay" points="1,1"/><tag label="jay"/>
      <box label="jay" xtl="0" ytl="0" xbr="4" ybr="4" outside="1"/><skeleton label="jay"/><cuboid label="jay"/>"""
    with pytest.warns(UserWarning, match="1 polyline, 1 points, 1 tag, 1 box, 1 skeleton, 1 cuboid"):
        regions = read_regions(cvat_file(tmp_path / "annotations.xml", shapes), "jay.jpg", SIZE)
    assert len(regions) == 0


WRONG = {
    "an unknown element": ('<cloud label="jay"/>', "an element cloud, which is unknown"),
    "a box without an end": ('<box label="jay" xtl="0" ytl="0" xbr="4"/>', "an element box lacks `ybr`"),
    "a box of words": ('<box label="jay" xtl="a" ytl="0" xbr="4" ybr="2"/>', "`xtl` of an element box is no number"),
    "a shape without a label": ('<box xtl="0" ytl="0" xbr="4" ybr="2"/>', "an element box lacks `label`"),
    "a line called polygon": ('<polygon label="jay" points="1,1;3,3"/>', "2 points, which enclose nothing"),
    "a polygon of words": ('<polygon label="jay" points="a,b;c,d;e,f"/>', "no pairs of numbers"),
    "runs that are too short": ('<mask label="jay" rle="0, 44" left="3" top="2" width="9" height="5"/>', "fill 44"),
    "runs of words": ('<mask label="jay" rle="a" left="3" top="2" width="9" height="5"/>', "invalid literal"),
    "a mask outside": ('<mask label="jay" rle="0, 45" left="13" top="2" width="9" height="5"/>', "leaves the photo"),
    "a flat ellipse": ('<ellipse label="jay" cx="8" cy="6" rx="5" ry="0"/>', "the radii 5 and 0"),
    "a turn without end": ('<box label="jay" xtl="0" ytl="0" xbr="4" ybr="2" rotation="nan"/>', "a point lies at nan"),
}


@pytest.mark.parametrize("name", WRONG)
def test_other_shapes_are_refused(name: str, tmp_path: Path) -> None:
    shape, reason = WRONG[name]
    path = cvat_file(tmp_path / "annotations.xml", shape)
    refused(lambda: read_regions(path, "jay.jpg", SIZE), str(path), "jay.jpg", reason)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = cvat_file(tmp_path / "annotations.xml", "", beside='<track id="0" label="jay"/>')
    refused(lambda: read_regions(path, "jay.jpg", SIZE), str(path), "CVAT's format for videos", "for images 1.1")
    path = cvat_file(tmp_path / "turned.xml", "", size=SIZE[::-1])
    refused(lambda: read_regions(path, "jay.jpg", SIZE), str(path), "12 x 17", "17 x 12", "EXIF")
    path.write_text("<annotation><filename>jay.jpg</filename></annotation>")
    refused(lambda: read_regions(path, "jay.jpg", SIZE), str(path), "its first element is annotation")
    path.write_text("<annotations><image></annotations>")
    refused(lambda: read_regions(path, "jay.jpg", SIZE), str(path), "mismatched tag")
    path.write_text('<!DOCTYPE annotations [<!ENTITY a "jay.jpg">]><annotations><image name="&a;"/></annotations>')
    refused(lambda: read_regions(path, "jay.jpg", SIZE), str(path), "it has a DOCTYPE")
