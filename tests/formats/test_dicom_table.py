"""Palettes of DICOM files become the colors that they say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightning_spx.formats.dicom import read_dicom
from tests.formats.dicom_files import BIG, EXPLICIT, IMPLICIT, dicom

COLORS = ("Red", "Green", "Blue")


def palette(entries: list[list[int]], first: int, bits: int, kind: str) -> dict[str, Any]:
    """Return elements of a palette, one list of entries for each color."""
    described: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for color, numbers in zip(COLORS, entries, strict=True):
        described[f"{color}PaletteColorLookupTableDescriptor"] = [len(numbers) % 2**16, first, bits]
        described[f"{color}PaletteColorLookupTableData"] = np.array(numbers, kind).tobytes()
    return described


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG])
@pytest.mark.parametrize("bits", [8, 16])
def test_palettes_in_full(tmp_path: Path, syntax: str, bits: int) -> None:
    factor = 1 if bits == 8 else 257
    entries = [[factor * each for each in column] for column in ([10, 20, 30], [0, 128, 255], [1, 2, 3])]
    kind = ">u2" if syntax == BIG else "<u2"
    stored = np.array([[0, 5, 6], [7, 8, 255]], np.uint8)
    image = read_dicom(dicom(tmp_path / "a.dcm", stored, syntax, **palette(entries, 5, bits, kind)))
    # below the first entry and above the last one, those count
    rows = np.array(entries).T[[0, 0, 1, 2, 2, 2]].reshape(2, 3, 3)
    np.testing.assert_array_equal(image.values, rows)
    assert (image.black, image.white) == (0, 2**bits - 1)


def test_a_palette_of_bytes_for_more_than_256_numbers(tmp_path: Path) -> None:
    ramp = [each // 16 for each in range(4096)]
    stored = np.array([[0, 255, 256, 1000, 4095]], np.uint16)
    image = read_dicom(dicom(tmp_path / "a.dcm", stored, BitsStored=12, **palette([ramp] * 3, 0, 8, "u1")))
    assert image.values[0, :, 0].tolist() == [0, 15, 16, 62, 255]
    short = palette([list(range(256))] * 3, 0, 8, "u1")
    image = read_dicom(dicom(tmp_path / "b.dcm", stored, BitsStored=12, **short))
    assert image.values[0, :, 0].tolist() == [0, 255, 255, 255, 255]


def test_a_palette_of_signed_numbers(tmp_path: Path) -> None:
    stored = np.array([[-2, -1, 0, 5]], np.int16)
    described = palette([[1, 2, 3]] * 3, -2, 8, "<u2")
    assert read_dicom(dicom(tmp_path / "a.dcm", stored, **described)).values[0, :, 0].tolist() == [1, 2, 3, 3]


def test_a_palette_in_segments(tmp_path: Path) -> None:
    described: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for color in COLORS:
        described[f"{color}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        # one entry 0, then a line of 255 steps up to 65,280
        described[f"Segmented{color}PaletteColorLookupTableData"] = np.array([0, 1, 0, 1, 255, 65280], "<u2").tobytes()
    stored = np.array([[0, 1, 100, 255]], np.uint8)
    image = read_dicom(dicom(tmp_path / "a.dcm", stored, **described))
    assert image.values[0, :, 2].tolist() == [0, 256, 25600, 65280]
    assert image.white == 65535


@pytest.mark.parametrize(
    ("described", "reason"),
    [
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "those of a palette, which is missing"),
        (palette([[1, 2, 3]] * 3, 0, 16, "<u2"), "its palette says 16 bits and uses 8"),
        (palette([[1, 2, 3]] * 3, 0, 8, "<u2") | {"BluePaletteColorLookupTableData": b"\1\0"}, "2 of 3 entries"),
    ],
)
def test_damaged_palettes_are_refused(tmp_path: Path, described: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=rf"a\.dcm .*{reason}"):
        read_dicom(dicom(tmp_path / "a.dcm", np.zeros((2, 2), np.uint8), **described))
