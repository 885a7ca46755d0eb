"""Segment Anything's masks, in both of its encodings and in the files of its data set."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightning_spx.formats.regions import label_map, read_regions
from tests.formats.made_masks import SIZE, Encode, blocks, compressed, letter, sam_masks, uncompressed
from tests.inputs.outcomes import refused


def written(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("encode", [compressed, uncompressed])
def test_masks_come_back_in_order_with_numbers_as_labels(encode: Encode, tmp_path: Path) -> None:
    path = written(tmp_path / "jay.json", sam_masks([*blocks(), letter()], encode))
    regions = read_regions(path, "jay.jpg", SIZE)
    assert [each.label for each in regions] == ["1", "2", "3", "4"]
    for region, mask in zip(regions, [*blocks(), letter()], strict=True):
        assert np.array_equal(region.mask, mask)


def test_files_of_its_data_set_are_compared_with_their_photo(tmp_path: Path) -> None:
    described = {"image_id": 1, "file_name": "sa_1.jpg", "height": SIZE[0], "width": SIZE[1]}
    path = written(tmp_path / "sa_1.json", {"image": described, "annotations": sam_masks(blocks())})
    assert np.array_equal(read_regions(path, "sa_1.jpg").regions[1].mask, blocks()[1])
    refused(lambda: read_regions(path, "sa_2.jpg", SIZE), str(path), "sa_2.jpg", "it holds the masks of sa_1.jpg")
    refused(lambda: read_regions(path, "sa_1.jpg", (30, 40)), "17 x 12", "40 x 30")


def test_smaller_masks_lie_on_top_and_the_rest_is_nought(tmp_path: Path) -> None:
    path = written(tmp_path / "jay.json", sam_masks(list(reversed(blocks()))))
    labels = label_map(read_regions(path, "jay.jpg", SIZE))
    large, small, apart = blocks()
    assert (labels[small] == 2).all()
    assert (labels[large & ~small] == 3).all()
    assert (labels[apart] == 1).all()
    assert (labels[~(large | apart)] == 0).all()


def test_rows_that_were_taken_for_columns_are_noticed(tmp_path: Path) -> None:
    side = 40
    mask = np.zeros((side, side), np.bool_)
    mask[3:30, 5:9] = True
    (right,) = sam_masks([mask], uncompressed)
    (mirrored,) = sam_masks([mask.T], uncompressed)
    assert len(read_regions(written(tmp_path / "right.json", [right]), "a.jpg", (side, side))) == 1
    path = written(tmp_path / "wrong.json", [right | {"segmentation": mirrored["segmentation"]}])
    refused(lambda: read_regions(path, "a.jpg", (side, side)), str(path), "run lengths go down the columns")


(GOOD,) = sam_masks([letter()])
WRONG: dict[str, tuple[Any, str]] = {
    "pixels in place of runs": ([GOOD | {"segmentation": letter().tolist()}], "output_mode='uncompressed_rle'"),
    "results of COCO": ([{"image_id": 3, "category_id": 1, "segmentation": GOOD["segmentation"]}], "COCO's results"),
    "numbers": ([1, 2], "no run-length encoding"),
    "a box of three numbers": ([GOOD | {"bbox": [1, 2, 3]}], "no list of left, top"),
    "a box of words": ([GOOD | {"bbox": ["a", "b", "c", "d"]}], "no list of left, top"),
    "another size": ([GOOD | {"segmentation": {"size": [4, 4], "counts": [16]}}], "17 x 12"),
    "another tool": ({"_via_settings": {}}, "none of COCO, SAM and labelme"),
    "a text": ("masks", "it is neither JSON nor XML"),
}


@pytest.mark.parametrize("name", WRONG)
def test_other_lists_are_refused(name: str, tmp_path: Path) -> None:
    content, reason = WRONG[name]
    path = written(tmp_path / "jay.json", content)
    refused(lambda: read_regions(path, "jay.jpg", SIZE), str(path), "jay.jpg", reason)


def test_no_masks_are_no_regions_if_the_size_is_known(tmp_path: Path) -> None:
    path = written(tmp_path / "jay.json", [])
    assert len(read_regions(path, "jay.jpg", SIZE)) == 0
    refused(lambda: read_regions(path, "jay.jpg"), str(path), "states no size")
