"""NIfTI slices have the orientation, the values and the range that the file states."""

import gzip
from collections.abc import Callable
from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform
from numpy.typing import NDArray

from lightning_spx.formats.nifti import is_nifti, read_nifti, read_nifti_labels

# right to +x, front to +y, up to +z
VOLUME = np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5)
CODES = [
    tuple(pair[sign] for pair, sign in zip(order, signs, strict=True))
    for order in permutations(("RL", "AP", "SI"))
    for signs in product((0, 1), repeat=3)
]
TILT = np.array([[0.98, -0.17, 0.1], [0.17, 0.98, 0.05], [-0.1, -0.05, 0.99]])


def save(path: Path, data: NDArray[Any], affine: NDArray[Any] | None = None, **header: object) -> Path:
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4) if affine is None else affine, dtype=data.dtype), path)
    if header:
        # in the file itself, because nibabel puts a header right when it saves
        content = path.read_bytes()
        written = nibabel.Nifti1Header(content[:348])
        for key, value in header.items():
            written[key] = value
        path.write_bytes(written.binaryblock + content[348:])
    return path


def turned(codes: tuple[str, ...], volume: NDArray[Any] = VOLUME) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the same body, stored along other axes, and the matrix that says so."""
    ornt = ornt_transform(axcodes2ornt(("R", "A", "S")), axcodes2ornt(codes))
    return nibabel.apply_orientation(volume, ornt), np.eye(4) @ inv_ornt_aff(ornt, volume.shape)


@pytest.mark.parametrize("codes", CODES)
def test_a_slice_is_the_same_however_the_body_is_stored(tmp_path: Path, codes: tuple[str, ...]) -> None:
    data, affine = turned(codes)
    path = save(tmp_path / f"scan{'.nii.gz' if codes[0] == 'R' else '.nii'}", data, affine)
    assert nibabel.aff2axcodes(affine) == codes
    for frame in (0, 3):
        picture = read_nifti(path, frame).values
        # front at the top, the patient's right at the left
        expected = np.array([[VOLUME[2 - column, 3 - row, frame] for column in range(3)] for row in range(4)])
        np.testing.assert_array_equal(picture[..., 0], expected)
        np.testing.assert_array_equal(read_nifti_labels(path, frame), expected)


def test_an_oblique_volume_goes_along_its_nearest_axes(tmp_path: Path) -> None:
    affine = np.eye(4)
    affine[:3, :3] = TILT @ np.diag([1, 1, 4])
    path = save(tmp_path / "a.nii", VOLUME, affine)
    np.testing.assert_array_equal(read_nifti(path, 1).values[..., 0], VOLUME[::-1, ::-1, 1].T)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((3, 4, 1), lambda v: v[::-1, ::-1, 0].T),
        ((3, 4), lambda v: v[::-1, ::-1].T),
        # coronal: up at the top, right at the left; sagittal: front at the left
        ((3, 1, 5), lambda v: v[::-1, 0, ::-1].T),
        ((1, 4, 5), lambda v: v[0, ::-1, ::-1].T),
        ((3, 4, 1, 1), lambda v: v[::-1, ::-1, 0, 0].T),
        ((3, 4, 1, 1, 1), lambda v: v[::-1, ::-1, 0, 0, 0].T),
    ],
)
def test_one_slice_needs_no_number(
    tmp_path: Path, shape: tuple[int, ...], expected: Callable[[NDArray[Any]], NDArray[Any]]
) -> None:
    data = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    path = save(tmp_path / "a.nii.gz", data)
    np.testing.assert_array_equal(read_nifti(path).values[..., 0], expected(data))
    np.testing.assert_array_equal(read_nifti(path, 0).values[..., 0], expected(data))


@pytest.mark.parametrize("kind", ["u1", "i1", "<u2", ">i2", "<i4", "<u4", "<i8", "<f4", ">f4", "<f8"])
@pytest.mark.parametrize("second_version", [False, True])
def test_values_of_all_types(tmp_path: Path, kind: str, second_version: bool) -> None:
    data = (VOLUME % 60).astype(kind)
    cls: Any = nibabel.Nifti2Image if second_version else nibabel.Nifti1Image
    header = cls.header_class(endianness=">" if kind[0] == ">" else "<")
    header.set_data_dtype(data.dtype)
    nibabel.save(cls(data, np.eye(4), header, dtype=data.dtype), tmp_path / "a.nii")
    image = read_nifti(tmp_path / "a.nii", 2)
    np.testing.assert_array_equal(image.values[..., 0], data[::-1, ::-1, 2].T)
    assert image.values.dtype == np.dtype(kind).newbyteorder("=")
    # only 8 bits without a sign say what is white
    assert (image.black, image.white) == ((0, 255) if kind == "u1" else (None, None))


@pytest.mark.parametrize(
    ("slope", "inter", "right"),
    [(2, -100, (2, -100)), (0, 7, (1, 0)), (np.nan, np.nan, (1, 0)), (1, 5, (1, 5)), (-0.5, 0, (-0.5, 0))],
)
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32])
def test_rescaling(tmp_path: Path, slope: float, inter: float, right: tuple[float, float], kind: type) -> None:
    path = save(tmp_path / "a.nii", VOLUME.astype(kind))
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([slope, inter], "<f4").tobytes()
    path.write_bytes(content)
    image = read_nifti(path, 2)
    np.testing.assert_array_equal(image.values[..., 0], VOLUME[::-1, ::-1, 2].T * right[0] + right[1])
    assert (image.white == 255) == (kind is np.uint8 and right == (1, 0))


@pytest.mark.parametrize(
    ("low", "high", "right"),
    [(-10, 30, (-10, 30)), (0, 0, (None, None)), (5, 5, (None, None)), (9, 1, (None, None)), (np.nan, 1, (None, None))],
)
def test_the_display_range_is_the_range(tmp_path: Path, low: float, high: float, right: tuple[Any, Any]) -> None:
    image = read_nifti(save(tmp_path / "a.nii", VOLUME, cal_min=low, cal_max=high), 0)
    assert (image.black, image.white) == right
    if right[0] is None:
        with pytest.raises(ValueError, match="give `window`"):
            image.in_range(None)
    assert image.in_range((0, 100)).max() <= 1


@pytest.mark.parametrize("names", ["RGB", "RGBA"])
def test_colors(tmp_path: Path, names: str) -> None:
    data = np.zeros((2, 3, 1), [(name, "u1") for name in names])
    data["R"][0, 0, 0], data["G"][1, 2, 0], data["B"][1, 0, 0] = 200, 100, 50
    image = read_nifti(save(tmp_path / "a.nii", data))
    assert image.values.shape == (3, 2, 3)
    assert (image.black, image.white) == (0, 255)
    # right front, right back, left back
    assert image.values[0, 0].tolist() == [0, 100, 0]
    assert image.values[2, 0].tolist() == [0, 0, 50]
    assert image.values[2, 1].tolist() == [200, 0, 0]
    with pytest.raises(ValueError, match="it holds colors, and no labels"):
        read_nifti_labels(tmp_path / "a.nii")


def test_nan_is_black_and_infinity_refused(tmp_path: Path) -> None:
    data = np.array([[[np.nan], [2]], [[4], [9]]], np.float32)
    image = read_nifti(save(tmp_path / "a.nii", data, cal_min=0, cal_max=4))
    assert image.in_range(None).ravel().tolist() == [1, 0.5, 1, 0]
    assert np.isnan(image.values).sum() == 1
    data[1, 1] = np.inf
    with pytest.raises(ValueError, match="infinite"):
        read_nifti(save(tmp_path / "b.nii", data, cal_min=0, cal_max=4)).in_range(None)


def test_names_do_not_matter(tmp_path: Path) -> None:
    save(tmp_path / "a.nii.gz", VOLUME)
    (tmp_path / "scan").write_bytes((tmp_path / "a.nii.gz").read_bytes())
    (tmp_path / "b.nii").write_bytes((tmp_path / "a.nii.gz").read_bytes())
    for name in ("scan", "b.nii"):
        assert is_nifti(tmp_path / name)
        np.testing.assert_array_equal(
            read_nifti(tmp_path / name, 0).values, read_nifti(tmp_path / "a.nii.gz", 0).values
        )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data": np.zeros((2, 2, 2, 3), np.int16)}, "it holds 3 volumes"),
        ({"data": np.zeros((2, 2, 1, 1, 3), np.float32)}, "it holds 1 x 3 volumes"),
        ({}, "it holds 5 slices: choose one by `frame`, 0 to 4"),
        ({"frame": 5}, "its slices are 0 to 4, and `frame` is 5"),
        ({"frame": -1}, "its slices are 0 to 4, and `frame` is -1"),
        ({"data": np.zeros((2, 2, 1), np.complex64)}, "its pixels are complex64"),
        ({"data": np.zeros((1, 300, 1), np.int16)}, "it is 1 x 300 pixels, and the limits are"),
        ({"frame": 0, "sform_code": 0, "qform_code": 0}, "it states no orientation"),
        ({"frame": 0, "qform_code": 1, "quatern_b": 1, "quatern_d": 0}, "contradict each other"),
        ({"frame": 0, "srow_z": [0, 0, 0, 0]}, "its orientation leaves out an axis"),
        ({"frame": 0, "srow_z": [np.nan, 0, 0, 0]}, "its orientation is no finite matrix"),
    ],
)
def test_what_is_not_defined_is_refused(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    header = {key: value for key, value in changes.items() if key not in ("data", "frame")}
    path = save(tmp_path / "odd.nii", changes.get("data", VOLUME), **header)
    for read in (read_nifti, read_nifti_labels):
        with pytest.raises(ValueError, match=reason) as refused:
            read(path, changes.get("frame"))
        assert f"Expected {path} to be a readable NIfTI file" in str(refused.value)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("length", [0, 347, 352, 400])
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_ends_early_is_refused(tmp_path: Path, length: int, packed: bool) -> None:
    content = save(tmp_path / "a.nii", VOLUME).read_bytes()[:length]
    (tmp_path / "cut.nii").write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(ValueError, match=r"cut\.nii to be a readable NIfTI file"):
        read_nifti(tmp_path / "cut.nii", 4)


def test_pairs_and_other_files_are_refused(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Pair(VOLUME, np.eye(4)), tmp_path / "a.hdr")
    with pytest.raises(ValueError, match="the header of a pair"):
        read_nifti(tmp_path / "a.hdr", 0)
    (tmp_path / "b.nii").write_bytes(bytes(1000))
    assert not is_nifti(tmp_path / "b.nii")
    with pytest.raises(ValueError, match=r"b\.nii .*does not begin as NIfTI files do"):
        read_nifti(tmp_path / "b.nii", 0)
    assert not is_nifti(tmp_path / "none.nii")
    with pytest.raises(ValueError, match="there is no such file"):
        read_nifti(tmp_path / "none.nii", 0)


def test_a_volume_that_begins_too_far_behind_is_refused(tmp_path: Path) -> None:
    content = bytearray(save(tmp_path / "a.nii", VOLUME).read_bytes())
    content[108:112] = np.array([1e9], "<f4").tobytes()
    (tmp_path / "a.nii").write_bytes(content)
    with pytest.raises(ValueError, match="its volume begins after 1000000000 bytes"):
        read_nifti(tmp_path / "a.nii", 0)


def test_only_the_slice_is_read(tmp_path: Path) -> None:
    import tracemalloc

    path = save(tmp_path / "a.nii.gz", np.zeros((200, 200, 200), np.int16))
    read_nifti(path, 0)
    tracemalloc.start()
    read_nifti(path, 199)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # the volume has 16 MB, a slice 80 kB
    assert peak < 2_000_000


NIBABEL = Path(nibabel.__file__).parent / "tests" / "data"
OF_NIBABEL: dict[str, tuple[int, ...] | str] = {
    "anatomical.nii": (41, 33, 1),
    "functional.nii": "it holds 20 volumes",
    "example4d.nii.gz": "it holds 2 volumes",
    "example_nifti2.nii.gz": "it holds 2 volumes",
    "reoriented_anat_moved.nii": (26, 21, 1),
    "resampled_anat_moved.nii": (21, 17, 1),
    "standard.nii.gz": (5, 4, 1),
    "row_major.dconn.nii": "it holds",
    "nifti1.hdr": "the header of a pair",
    "nifti2.hdr": "the header of a pair",
    "analyze.hdr": "does not begin as NIfTI files do",
}


@pytest.mark.skipif(not NIBABEL.is_dir(), reason="this nibabel comes without its test files")
@pytest.mark.parametrize("name", sorted(OF_NIBABEL))
def test_files_of_others(name: str) -> None:
    expected = OF_NIBABEL[name]
    if isinstance(expected, str):
        with pytest.raises(ValueError, match=expected):
            read_nifti(NIBABEL / name, 1)
        return
    canonical = nibabel.as_closest_canonical(nibabel.load(NIBABEL / name)).get_fdata()
    values = read_nifti(NIBABEL / name, 1).values
    assert values.shape == expected
    np.testing.assert_array_equal(values[..., 0], canonical[::-1, ::-1, 1].T)
