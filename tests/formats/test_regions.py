"""Regions become masks and maps of ids by rules that are named."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lightning_spx.formats.image_names import ImageNames
from lightning_spx.formats.once import warn_once
from lightning_spx.formats.regions import Overlap, Region, Regions, is_annotation, label_map, read_regions, union
from tests.formats.made_masks import SIZE, Flags, blocks, coco_file, compressed, cvat_file
from tests.inputs.outcomes import refused, refused_or
from tests.inputs.strategies import damaged, examples

FILES = st.lists(arrays(np.bool_, (5, 7)), min_size=0, max_size=6)


def regions_of(masks: list[Flags]) -> Regions:
    size = masks[0].shape if masks else (5, 7)
    return Regions((size[0], size[1]), [Region.of_mask("x", mask, at) for at, mask in enumerate(masks, start=1)])


@examples(150)
@given(masks=FILES, overlap=st.sampled_from(["smallest", "last"]))
def test_each_pixel_has_one_of_its_regions_by_the_rule(masks: list[Flags], overlap: Overlap) -> None:
    labels = label_map(regions_of(masks), overlap)
    for row, column in np.ndindex(5, 7):
        there = [(mask.sum(), at) for at, mask in enumerate(masks, start=1) if mask[row, column]]
        best = min(there, key=lambda each: (each[0] if overlap == "smallest" else 0, -each[1]), default=(0, 0))
        assert labels[row, column] == best[1]


@examples(100)
@given(masks=FILES)
def test_a_region_is_its_mask_and_their_union_that_of_the_masks(masks: list[Flags]) -> None:
    regions = regions_of(masks)
    for region, mask in zip(regions, masks, strict=True):
        assert np.array_equal(region.mask, mask)
        assert region.area == mask.sum()
    assert np.array_equal(union(regions), np.any(masks, axis=0) if masks else np.zeros((5, 7), np.bool_))


@examples(100)
@given(ids=arrays(np.int64, (5, 7), elements=st.integers(0, 4)))
def test_regions_that_do_not_overlap_are_the_map_they_came_from(ids: np.ndarray) -> None:
    regions = regions_of([ids == number for number in range(1, 5)])
    for overlap in ("smallest", "last", "refuse"):
        assert np.array_equal(label_map(regions, overlap), ids)


def test_overlaps_are_refused_with_the_two_and_their_pixels() -> None:
    large, small, apart = blocks()
    message = refused(lambda: label_map(regions_of([large, apart, small]), "refuse"), "x (1)", "x (3)", "9 pixels")
    assert "choose `overlap`" in message
    assert label_map(regions_of([large, apart]), "refuse").max() == 2


def test_an_unknown_rule_and_unknown_labels_are_refused() -> None:
    unknown: Any = "largest"
    refused(lambda: label_map(regions_of(blocks()), unknown), "`overlap`", "'largest'")
    regions = Regions(SIZE, [], tuple(f"class {number}" for number in range(80)))
    refused(lambda: union(regions, ["class 3", "dog"]), "class 0, class 1", "and 70 more", "got dog")


@pytest.mark.parametrize(
    ("image", "names", "found"),
    [
        ("jay.jpg", ["birds/jay.jpg", "robin.jpg"], "birds/jay.jpg"),
        ("photos/birds/jay.jpg", ["birds/jay.jpg"], "birds/jay.jpg"),
        ("birds/jay.jpg", ["birds\\jay.jpg"], "birds\\jay.jpg"),
        ("./jay.jpg", ["jay.jpg", "a/jay.jpg"], "jay.jpg"),
    ],
)
def test_photos_are_found_by_the_ends_of_their_paths(image: str, names: list[str], found: str) -> None:
    assert ImageNames(names).find(image) == found


@pytest.mark.parametrize(
    ("image", "names", "reason"),
    [
        ("jay.jpg", ["a/jay.jpg", "b/jay.jpg"], "2 photos that jay.jpg may be, such as a/jay.jpg and b/jay.jpg"),
        ("val/jay.jpg", ["train/jay.jpg", "owl.jpg"], "does not name val/jay.jpg among its 2 photos: train/jay.jpg"),
        ("jay.jpg", ["bluejay.jpg"], "does not name jay.jpg"),
        ("jay.jpg", ["jay.png"], "does not name jay.jpg"),
        ("jay.jpg", [], "among its 0 photos: none"),
    ],
)
def test_other_photos_are_not(image: str, names: list[str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ImageNames(names).find(image)


def test_a_name_without_a_folder_is_only_one_of_the_photos_that_it_may_be() -> None:
    names = ImageNames(["jay.jpg", "a/owl.jpg", "b/owl.jpg"])
    assert [names.find(image) for image in ("train/jay.jpg", "/data/train/jay.jpg", "a/owl.jpg", "b/owl.jpg")] == [
        *("jay.jpg", "jay.jpg", "a/owl.jpg", "b/owl.jpg")
    ]
    with pytest.raises(ValueError, match=r"its jay\.jpg was taken for train/jay\.jpg, and cannot be test/jay\.jpg"):
        names.find("test/jay.jpg")


def test_files_of_nothing_known_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "jay.json"
    with pytest.raises(FileNotFoundError, match=r"regions of jay\.jpg in .*jay\.json"):
        read_regions(path, "jay.jpg")
    for content, reason in (
        (b"", "neither JSON nor XML"),
        (b"\x89PNG\r\n", "neither JSON nor XML"),
        (b"[1, 2", "Expecting"),
        (b'{"type": "FeatureCollection", "features": []}', "none of COCO, SAM and labelme"),
        (b'{"images": [{"id": NaN}], "annotations": []}', "NaN, which is no number"),
        (b"[" * 100_000, "nested too deep"),
        (b'\xff\xfe{"', "neither"),
        (b"<html>", "no element found"),
    ):
        path.write_bytes(content)
        refused(lambda: read_regions(path, "jay.jpg", SIZE), str(path), reason)
    assert not is_annotation(b"")


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = coco_file(tmp_path / "instances.json", [compressed(blocks()[0])])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert np.array_equal(union(read_regions(path, "jay.jpg", SIZE)), blocks()[0])


def test_a_file_of_one_photo_needs_no_name_and_one_of_two_does(tmp_path: Path) -> None:
    path = coco_file(tmp_path / "instances.json", [compressed(blocks()[0])])
    refused(lambda: read_regions(path), str(path), "it is for 2 photos")
    content = json.loads(path.read_text())
    del content["images"][1]
    path.write_text(json.dumps(content))
    assert len(read_regions(path)) == 1


def test_a_warning_is_said_once() -> None:
    with pytest.warns(UserWarning, match="first"):
        warn_once("said once", "first")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_once("said once", "second")


def test_damaged_files_are_read_or_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    box = '<box label="jay" xtl="0" ytl="0" xbr="4" ybr="4" rotation="3"/>'
    mask = '<mask label="jay" rle="0, 4" left="1" top="2" width="2" height="2"/>'
    stored = [
        coco_file(folder / "coco.json", [compressed(blocks()[0]), [[1, 1, 9, 1, 4, 4]]]).read_bytes(),
        cvat_file(folder / "cvat.xml", box + mask).read_bytes(),
    ]

    @examples(150)
    @given(content=st.sampled_from(stored).flatmap(damaged))
    def check(content: bytes) -> None:
        path = folder / "damaged"
        path.write_bytes(content)
        found = refused_or(lambda: read_regions(path, "jay.jpg", SIZE), str(path))
        assert found is None or isinstance(found, Regions)

    check()
