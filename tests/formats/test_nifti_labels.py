"""Labels of NIfTI files come back as the numbers that were given away, or are refused."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from lightning_spx.formats.nifti import read_nifti_labels

IDS = [0, 1, 3, 7, 11, 255]


@pytest.mark.parametrize("kind", ["u1", "<i2", ">u2", "<i4", "<u4", "<i8", "<u8", "<f4", "<f8"])
def test_integers_and_whole_floats_are_exact(tmp_path: Path, kind: str) -> None:
    labels = np.array(IDS, kind).reshape(2, 3, 1)
    nibabel.save(nibabel.Nifti1Image(labels, np.eye(4), dtype=labels.dtype), tmp_path / "a.nii.gz")
    found = read_nifti_labels(tmp_path / "a.nii.gz")
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, labels[::-1, ::-1, 0].T)


@pytest.mark.parametrize("largest", [2**24 + 1, 2**31 - 1])
def test_large_ids_are_exact(tmp_path: Path, largest: int) -> None:
    labels = np.array([[[largest]], [[largest - 1]]], np.int32)
    nibabel.save(nibabel.Nifti1Image(labels, np.eye(4)), tmp_path / "a.nii")
    assert read_nifti_labels(tmp_path / "a.nii").ravel().tolist() == [largest - 1, largest]


@pytest.mark.parametrize("largest", [3, 7, 11, 100, 1000])
@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.int32])
def test_floats_under_an_integer_header_are_rounded(tmp_path: Path, largest: int, kind: type) -> None:
    labels = np.arange(largest + 1, dtype=np.float64).reshape(-1, 1, 1) * np.ones((1, 11, 1))
    header = nibabel.Nifti1Header()
    header.set_data_dtype(kind)
    nibabel.save(nibabel.Nifti1Image(labels, np.eye(4), header), tmp_path / "a.nii")
    stored = np.asarray(nibabel.Nifti1Image.from_filename(tmp_path / "a.nii").dataobj)
    assert not np.isin(stored, np.arange(1000)).all()
    np.testing.assert_array_equal(read_nifti_labels(tmp_path / "a.nii"), labels[::-1, ::-1, 0].T)


def of_raw(path: Path, stored: NDArray[Any], slope: float, inter: float = 0) -> Path:
    nibabel.save(nibabel.Nifti1Image(stored, np.eye(4), dtype=stored.dtype), path)
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([slope, inter], "<f4").tobytes()
    path.write_bytes(content)
    return path


def test_whole_scales_are_exact(tmp_path: Path) -> None:
    stored = np.array([[[0]], [[2**30 - 1]]], np.int32)
    found = read_nifti_labels(of_raw(tmp_path / "a.nii", stored, 2, 1))
    assert found.ravel().tolist() == [2**31 - 1, 1]


@pytest.mark.parametrize(
    ("stored", "slope", "reason"),
    [
        (np.array([1, 2.5], np.float32), 1, "it holds 2.5, and labels are whole numbers"),
        (np.array([1, np.nan], np.float32), 1, "it holds nan, and labels are whole numbers"),
        (np.array([1, np.inf], np.float64), 1, "it holds inf, and labels are whole numbers"),
        (np.array([1, 2**25], np.float32), 1, "float numbers above 16777216"),
        (np.array([0, 1, 2], np.int16), 0.1, "it holds 0.2, and labels are whole numbers"),
        (np.array([0, 2, 4], np.int16), 0.5, "are stored in steps of 0.5"),
        (np.array([0, 2**30], np.int32), 1.5, "are stored in steps of 1.5"),
        (np.array([0, 2**31 - 1], np.int32), 0.01, "are stored in steps of 0.01"),
        (np.array([0, 2**63], np.uint64), 1, "its largest label is 9223372036854775808"),
    ],
)
def test_what_is_not_whole_is_refused(tmp_path: Path, stored: NDArray[Any], slope: float, reason: str) -> None:
    path = of_raw(tmp_path / "odd.nii", stored.reshape(-1, 1, 1), slope)
    with pytest.raises(ValueError, match=rf"odd\.nii to be a readable NIfTI file: .*{reason}"):
        read_nifti_labels(path)
