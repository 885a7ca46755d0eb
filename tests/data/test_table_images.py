from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from lightning_spx.data import TableDataModule, table_images
from lightning_spx.data.table_boxes import box_object, read_boxes
from tests.data.table_folder import OBJECT, SIDE, write_table


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_table(tmp_path)


def place(row: int) -> str:
    return f"row {row}"


def changed(table: Path, **columns: "str | list[str] | pd.Series[str]") -> Path:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    for name, cells in columns.items():
        rows[name] = cells
    rows.to_csv(table, index=False)
    return table


def photos_of(table: Path, side: int, margin: int) -> None:
    """Replace images and masks by wide ones, whose object is white in both."""
    for number in range(30):
        pixels = np.zeros((side, side + 2 * margin), np.uint8)
        pixels[:, margin + side // 2 :] = 255
        for name in ("images", "masks"):
            Image.fromarray(pixels).save(table.parent / name / f"{number:05d}.png")


def test_masks_are_the_objects(table: Path) -> None:
    data = TableDataModule(table, split="set", mask="mask", image_size=SIDE)
    mask = data.test()[2]["mask"]
    assert mask.dtype == torch.bool
    assert mask[OBJECT].all()
    assert mask.sum() == 48


def test_image_and_mask_are_resized_cropped_and_augmented_alike(table: Path) -> None:
    photos_of(table, side=32, margin=10)
    data = TableDataModule(
        table, split="set", mask="mask", image_size=SIDE, channels=1, batch_size=9, val_fraction=0.0, seed=3
    )
    for batch in (*data.train_dataloader(), *data.test_dataloader()):
        bright = batch["image"][:, 0] >= 0.5
        assert (bright == batch["mask"]).float().mean() > 0.99
        assert 0.2 < batch["mask"].float().mean() < 0.8


def test_a_set_has_masks_of_all_images_or_of_none(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    # masks of the test alone are enough
    data = TableDataModule(
        changed(table, mask=rows["mask"].where(rows["set"] == "test", "")), split="set", mask="mask", image_size=SIDE
    )
    assert "mask" not in data.pool()[0]
    assert "mask" in data.test()[0]
    few = rows["mask"].where(rows.index != 25, "")
    with pytest.raises(
        ValueError, match=r"all test images or of none, got 5 of 6, none for images/00025\.png: a black"
    ):
        TableDataModule(changed(table, mask=few), split="set", mask="mask", image_size=SIDE).setup("fit")
    boxed = TableDataModule(
        changed(table, mask=few, box=["0 0 4 16"] * 30), split="set", mask="mask", box="box", image_size=SIDE
    )
    assert boxed.test()[0]["mask"].sum() == 48
    assert boxed.test()[1]["mask"].sum() == 4 * SIDE


def test_missing_masks_are_counted_and_named(table: Path) -> None:
    for number in (3, 5):
        (table.parent / "masks" / f"{number:05d}.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"2 of 30 do not exist, the first .*masks/00003\.png in line 5 of"):
        TableDataModule(table, split="set", mask="mask", image_size=SIDE).setup("fit")


def test_a_mask_of_another_size_is_refused_though_images_may_be_skipped(table: Path) -> None:
    Image.new("L", (SIDE + 1, SIDE), 255).save(table.parent / "masks" / "00003.png")
    with pytest.raises(ValueError, match=r"00003\.png"):
        TableDataModule(table, split="set", mask="mask", image_size=SIDE).setup("fit")


def test_suspicious_masks_are_reported(table: Path) -> None:
    for number in range(30):
        Image.new("L", (SIDE, SIDE), 0).save(table.parent / "masks" / f"{number:05d}.png")
    with pytest.warns(UserWarning, match="18 of 18 masks have no object"):
        TableDataModule(table, split="set", mask="mask", image_size=SIDE).pool()


def test_readers_are_told_frame_name_and_objects(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def read_photo(path: Path, channels: int, window: object, frame: int | None) -> np.ndarray:
        asked.append((path.name, channels, window, frame))
        return np.zeros((8, 12, channels), np.uint8)

    def read_object_mask(path: Path, size: object, image: str, frame: object, labels: object) -> torch.Tensor:
        asked.append((path.name, size, image, frame, labels))
        return torch.ones(8, 12)

    monkeypatch.setattr(table_images, "read_photo", read_photo)
    monkeypatch.setattr(table_images, "read_object_mask", read_object_mask)
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    # three slices of each of ten files; the last slice is not said
    number = rows.index.to_series()
    slices = changed(
        table,
        path="images/0000" + (number // 3).astype(str) + ".png",
        slice=(number % 3).map({0: "0", 1: "1.0", 2: ""}),
    )
    data = TableDataModule(
        slices,
        label="label",
        split="set",
        mask="mask",
        frame="slice",
        mask_labels=["crack"],
        image_size=8,
        window=(0, 9),
    )
    assert len(data.pool()) == 18
    assert asked[2:6] == [
        # in the order of files and frames; a picture is the mask of its row, without a frame
        ("00000.png", 3, (0.0, 9.0), 0),
        ("00000.png", (8, 12), "images/00000.png", None, ["crack"]),
        ("00000.png", 3, (0.0, 9.0), 1),
        ("00001.png", (8, 12), "images/00000.png", None, ["crack"]),
    ]


def test_frames_that_are_no_numbers_are_refused(table: Path) -> None:
    for wrong in ("-1", "1.5", "two"):
        with pytest.raises(
            ValueError, match=f"a `frame` to be a number from 0 or an empty cell, got '{wrong}' in line 2"
        ):
            TableDataModule(changed(table, slice=wrong), frame="slice").setup("fit")


def test_boxes_have_one_column_or_four() -> None:
    four = [pd.Series(texts) for texts in (["1", ""], ["2.5", ""], ["3", ""], ["4", ""])]
    for columns in (
        four,
        [pd.Series(["[1, 2.5, 3, 4]", ""])],
        [pd.Series(["1;2.5;3;4", ""])],
        [pd.Series(["1 2.5 3 4", ""])],
    ):
        np.testing.assert_array_equal(read_boxes(columns, place), [[1, 2.5, 3, 4], [np.nan] * 4])
    for wrong in ("1,2,3", "1,2,3,4,5", "1,2,3,x", "1,2,0,4", "0.1,0.2,0.5,0.5", "1,2,3,inf", "nan,2,3,4"):
        with pytest.raises(ValueError, match=r"a `box` to be left, top, width and height in pixels, got .* in row 0"):
            read_boxes([pd.Series([wrong])], place)


def test_a_box_is_a_mask_inside_its_image() -> None:
    mask = box_object(np.array([2.0, 1.0, 3.0, 2.0]), (4, 6), "a.png")
    assert mask.nonzero().tolist() == [[row, column] for row in (1, 2) for column in (2, 3, 4)]
    # drawn by hand
    assert box_object(np.array([-1.0, -2.0, 9.0, 8.0]), (4, 6), "a.png").all()
    for wrong in ([-3.0, 0, 4, 4], [4.0, 0, 5, 4], [0.0, 2, 4, 5]):
        with pytest.raises(
            ValueError, match=r"the box of a\.png inside its 6 x 4 pixels, got left .*: was the photo re"
        ):
            box_object(np.array(wrong), (4, 6), "a.png")


def test_boxes_of_a_table_are_masks(table: Path) -> None:
    boxed = changed(table, x="2", y="0", w="6", h="16")
    data = TableDataModule(boxed, split="set", box=["x", "y", "w", "h"], image_size=SIDE)
    mask = data.test()[0]["mask"]
    assert mask[:, 2:8].all()
    assert mask.sum() == 6 * SIDE
