"""Label maps from files of any tool."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightning_spx.formats.label_map import read_label_map
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
