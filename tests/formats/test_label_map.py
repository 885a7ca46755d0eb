"""Label maps from files of any tool."""

import json
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from lightning_spx.formats.label_map import read_flags, read_label_map
from tests.formats.made_masks import SIZE, blocks, sam_masks
from tests.superpixels.label_cases import LABELS


@pytest.mark.parametrize("mode", ["palette", "16 bit"])
def test_other_png_kinds_keep_their_ids(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "map.png"
    if mode == "palette":
        picture = Image.fromarray(LABELS.astype(np.uint8)).convert("P")
        picture.putpalette([7] * 768)  # equal colors: only the ids tell the segments apart
        picture.save(path)
    else:
        Image.fromarray((LABELS * 300).astype(np.uint16)).save(path)
    assert np.array_equal(read_label_map(path, (2, 3)), LABELS * (1 if mode == "palette" else 300))


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".png"])
@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"no label map", b"PK\x03\x04 cut", b"\x93NUMPY\x01\x00", b"\x89PNG\r\n\x1a\n"),
        # NumPy's own reader lets the error of a tokenizer through
        b"\x93NUMPY\x01\x00\x08\x00{'a': (\n",
    ],
)
def test_an_unreadable_file_is_named(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"map{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"Expected a label map, integers of shape \(64, 64\), in {path}: "):
        read_label_map(path, (64, 64))


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".png"])
def test_a_truncated_file_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"map{suffix}"
    large = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
    match suffix:
        case ".npz":
            np.savez_compressed(path, labels=large)
        case ".npy":
            np.save(path, large)
        case _:
            Image.fromarray(large).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match=rf"Expected a label map, integers of shape \(64, 64\), in {path}: "):
        read_label_map(path, (64, 64))


def test_pickled_objects_are_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "map.npy"
    np.save(path, np.array([{"any": "object"}]), allow_pickle=True)
    with pytest.raises(ValueError, match="it holds object of shape"):
        read_label_map(path, (1, 1))


def test_files_without_one_integer_array_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "float.npy", np.zeros((2, 2), dtype=np.float32))
    with pytest.raises(ValueError, match=r"in .*float\.npy: it holds float32 of shape \(2, 2\)"):
        read_label_map(tmp_path / "float.npy", (2, 2))
    np.savez(tmp_path / "two.npz", a=LABELS, b=LABELS)
    with pytest.raises(ValueError, match=r"in .*two\.npz: it holds 2 arrays"):
        read_label_map(tmp_path / "two.npz", (2, 3))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_gray_of_few_bits_keeps_its_ids(tmp_path: Path, bits: int) -> None:
    ids = np.arange(16).reshape(2, 8) % min(2**bits, 16)
    packed = np.packbits((ids[..., None] >> np.arange(bits - 1, -1, -1) & 1).reshape(2, -1).astype(np.uint8), axis=1)
    rows = b"".join(b"\0" + row.tobytes() for row in packed)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 8, 2, bits, 0, 0, 0, 0)
    path = tmp_path / "map.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    if bits == 1:
        with pytest.raises(ValueError, match="of mode 1"):
            read_label_map(path, (2, 8))
    else:
        assert np.array_equal(read_label_map(path, (2, 8)), ids)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_of_few_bits_keep_their_ids(tmp_path: Path, bits: int) -> None:
    ids = np.arange(6).reshape(2, 3) % 2**bits
    picture = Image.fromarray(ids.astype(np.uint8)).convert("P")
    picture.putpalette([7 * number % 256 for number in range(768)])
    picture.save(tmp_path / "map.png", bits=bits)
    assert np.array_equal(read_label_map(tmp_path / "map.png", (2, 3)), ids)


def test_opencv_writes_sixteen_bits(tmp_path: Path) -> None:
    ids = np.array([[0, 300, 65_535], [7, 256, 1]], np.uint16)
    assert cv2.imwrite(str(tmp_path / "map.png"), ids)
    assert np.array_equal(read_label_map(tmp_path / "map.png", (2, 3)), ids)


def test_masks_of_sam_are_a_map_with_the_smaller_ones_on_top(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text(json.dumps(sam_masks([blocks()[1], blocks()[0]])))
    labels = read_label_map(path, SIZE)
    assert np.array_equal(labels == 1, blocks()[1])
    assert np.array_equal(labels == 2, blocks()[0] & ~blocks()[1])
    with pytest.raises(ValueError, match="3 x 2"):
        read_label_map(path, (2, 3))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_labels_of_a_scan_lie_as_their_slice_does(tmp_path: Path, suffix: str) -> None:
    nibabel = pytest.importorskip("nibabel")
    nifti = pytest.importorskip("lightning_spx.formats.nifti")
    volume = np.arange(24).reshape(2, 3, 4).astype(np.int32) * 1_000_003
    path = tmp_path / f"map{suffix}"
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), path)
    for frame in range(4):
        found = read_label_map(path, (3, 2), frame)
        assert np.array_equal(found, nifti.read_nifti(path, frame).values[..., 0])
        # the last row of the volume is in front, which is up, and the first column is the patient's left
        assert np.array_equal(found, volume[::-1, ::-1, frame].T)
    with pytest.raises(ValueError, match=r"4 slices|frame"):
        read_label_map(path, (3, 2))
    with pytest.raises(ValueError, match=r"of shape \(3, 2\)"):
        read_label_map(path, (2, 3), 0)


def test_names_and_frames_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "map.npy", LABELS)
    with pytest.raises(ValueError, match=r"map\.npy: it has no frames, and frame 0 was asked for"):
        read_label_map(tmp_path / "map.npy", (2, 3), frame=0)
    (tmp_path / "map.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"map\.jpg: its name ends with none of \.npy"):
        read_label_map(tmp_path / "map.jpg", (2, 3))


def test_truths_are_read_and_numbers_are_no_truths(tmp_path: Path) -> None:
    np.savez(tmp_path / "mask.npz", mask=LABELS > 3)
    assert np.array_equal(read_flags(tmp_path / "mask.npz", (2, 3)), LABELS > 3)
    np.save(tmp_path / "mask.npy", LABELS)
    with pytest.raises(ValueError, match=r"truths of shape \(2, 3\), in .*mask\.npy: it holds int64"):
        read_flags(tmp_path / "mask.npy", (2, 3))
