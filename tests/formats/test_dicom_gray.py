"""Gray DICOM frames in the scanner's units, with the black and white of the file: values worked out by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightning_spx.formats.dicom import read_dicom
from tests.formats.dicom_files import BIG, EXPLICIT, IMPLICIT, dicom, item, lut

RAMP = np.array([[0, 100], [1000, 4095]], np.uint16)
HOUNSFIELD = {"RescaleSlope": 2, "RescaleIntercept": -1024}


@pytest.mark.parametrize(
    ("elements", "black", "white", "shown"),
    [
        # without a window, all that the bits can hold
        ({"BitsStored": 12}, 0, 4095, [0, 100 / 4095, 1000 / 4095, 1]),
        (HOUNSFIELD | {"BitsStored": 12}, -1024, 2 * 4095 - 1024, [0, 100 / 4095, 1000 / 4095, 1]),
        # of a negative slope the largest stored number is the smallest value, which is black
        ({"RescaleSlope": -1, "RescaleIntercept": 0, "BitsStored": 12}, -4095, 0, [1, 3995 / 4095, 3095 / 4095, 0]),
        # half a unit less than one thinks, and a width less by one (PS3.3 C.11.2.1.2)
        ({"WindowCenter": 100, "WindowWidth": 200}, 0, 199, [0, 100 / 199, 1, 1]),
        ({"WindowCenter": [100, 7], "WindowWidth": [200, 9]}, 0, 199, [0, 100 / 199, 1, 1]),
        ({"WindowCenter": 100, "WindowWidth": 200, "VOILUTFunction": "LINEAR"}, 0, 199, [0, 100 / 199, 1, 1]),
        ({"WindowCenter": 100, "WindowWidth": 200, "VOILUTFunction": "LINEAR_EXACT"}, 0, 200, [0, 0.5, 1, 1]),
        (HOUNSFIELD | {"WindowCenter": 0.5, "WindowWidth": 2049}, -1024, 1024, [0, 200 / 2048, 2000 / 2048, 1]),
        # inverted: the lower end is white
        ({"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 12}, 4095, 0, [1, 3995 / 4095, 3095 / 4095, 0]),
        (
            {"PhotometricInterpretation": "MONOCHROME1", "WindowCenter": 100, "WindowWidth": 200},
            *(199, 0, [1, 99 / 199, 0, 0]),
        ),
        (
            {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE", "BitsStored": 12},
            *(4095, 0, [1, 3995 / 4095, 3095 / 4095, 0]),
        ),
        # a curve: its values are shown, and the range is that of the bits
        (
            {"WindowCenter": 100, "WindowWidth": 400, "VOILUTFunction": "SIGMOID", "BitsStored": 12},
            *(0, 4095, [1 / (1 + np.e), 0.5, 1 / (1 + np.exp(-9)), 1]),
        ),
        # a step
        ({"WindowCenter": 100.5, "WindowWidth": 1, "BitsStored": 12}, 0, 4095, [0, 0, 1, 1]),
        ({"WindowCenter": 100, "WindowWidth": 1, "BitsStored": 12}, 0, 4095, [0, 1, 1, 1]),
    ],
)
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG])
def test_windows(
    tmp_path: Path, syntax: str, elements: dict[str, Any], black: float, white: float, shown: list[float]
) -> None:
    image = read_dicom(dicom(tmp_path / "scan.dcm", RAMP, syntax, **elements))
    assert (image.black, image.white) == (black, white)
    np.testing.assert_allclose(image.in_range(None).ravel(), shown, atol=1e-7)
    slope, intercept = elements.get("RescaleSlope", 1), elements.get("RescaleIntercept", 0)
    np.testing.assert_array_equal(image.values[..., 0], RAMP.astype(float) * slope + intercept)


@pytest.mark.parametrize(
    "elements", [{}, {"PixelRepresentation": 1}, HOUNSFIELD, {"PhotometricInterpretation": "MONOCHROME1"}]
)
def test_sixteen_bits_of_which_few_are_used_need_a_window(tmp_path: Path, elements: dict[str, Any]) -> None:
    """A tomogram of 16 bits without a window would be one gray."""
    found = read_dicom(dicom(tmp_path / "a.dcm", RAMP, EXPLICIT, **elements), None)
    with pytest.raises(ValueError, match=r"nearly all in a quarter of the range of their type.* give `window`"):
        found.in_range(None)
    low, high = found.values.min(), found.values.max()
    shares = found.in_range((low, high)).ravel()
    expected = np.array([0, 100, 1000, 4095]) / 4095
    np.testing.assert_allclose(shares, 1 - expected if "PhotometricInterpretation" in elements else expected, atol=1e-7)
    wide = read_dicom(dicom(tmp_path / "b.dcm", RAMP * 16, EXPLICIT), None)
    np.testing.assert_allclose(wide.in_range(None).ravel(), 16 * np.array([0, 100, 1000, 4095]) / 65535, atol=1e-7)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("intercept", [0, -1024])
def test_windows_are_those_of_pydicom(tmp_path: Path, function: str, intercept: int) -> None:
    from pydicom import dcmread
    from pydicom.pixels.processing import apply_modality_lut, apply_windowing

    stored = np.random.default_rng(0).integers(0, 4096, (20, 20)).astype(np.uint16)
    path = dicom(
        *(tmp_path / "scan.dcm", stored),
        **{"BitsStored": 12, "RescaleSlope": 1.5, "RescaleIntercept": intercept, "VOILUTFunction": function},
        **{"WindowCenter": 300, "WindowWidth": 777},
    )
    dataset = dcmread(path)
    windowed = apply_windowing(apply_modality_lut(dataset.pixel_array, dataset), dataset)
    expected = (windowed - intercept) / (1.5 * 4095)
    np.testing.assert_allclose(read_dicom(path).in_range(None)[..., 0], expected, atol=1e-6)


def test_a_window_of_the_caller_replaces_a_curve_and_stays_inverted(tmp_path: Path) -> None:
    curve = {"WindowCenter": 100, "WindowWidth": 400, "VOILUTFunction": "SIGMOID", "BitsStored": 12}
    image = read_dicom(dicom(tmp_path / "a.dcm", RAMP, PhotometricInterpretation="MONOCHROME1", **curve))
    assert image.in_range((0, 1000)).ravel().tolist() == pytest.approx([1, 0.9, 0, 0])
    np.testing.assert_allclose(
        image.in_range(None).ravel(), [np.e / (1 + np.e), 0.5, 1 / (1 + np.exp(9)), 0], atol=1e-7
    )


@pytest.mark.parametrize(("center", "width"), [(0, 0), (10, 0.5), (10, -3)])
def test_a_window_that_is_none_states_no_range(tmp_path: Path, center: float, width: float) -> None:
    image = read_dicom(dicom(tmp_path / "a.dcm", RAMP, WindowCenter=center, WindowWidth=width))
    with pytest.raises(ValueError, match="0 to 4095: give `window`"):
        image.in_range(None)
    assert image.in_range((0, 1000)).ravel().tolist() == pytest.approx([0, 0.1, 1, 1])


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_voi_table_of_any_bits_is_looked_up(tmp_path: Path, syntax: str, bits: int) -> None:
    entries = [index * (2**bits - 1) // 4095 for index in range(4096)]
    path = dicom(tmp_path / "a.dcm", RAMP, syntax, BitsStored=12, VOILUTSequence=[lut(0, entries, bits)])
    shown = np.array([entries[each] for each in (0, 100, 1000, 4095)]) / (2**bits - 1)
    np.testing.assert_allclose(read_dicom(path).in_range(None).ravel(), shown, atol=1e-7)


@pytest.mark.parametrize("content", ["packed", "words"])
def test_a_table_of_eight_bits_may_have_two_entries_a_word(tmp_path: Path, content: str) -> None:
    entries = np.arange(0, 200, 2, dtype=np.uint8)
    table = lut(10, [0] * 100, 8)
    table.add_new("LUTData", "OW", entries.tobytes() if content == "packed" else entries.astype("<u2").tobytes())
    stored = np.array([[0, 10, 11], [12, 109, 4000]], np.uint16)
    path = dicom(tmp_path / "a.dcm", stored, BitsStored=12, VOILUTSequence=[table])
    shown = np.array([0, 0, 2, 4, 198, 198]) / 255
    np.testing.assert_allclose(read_dicom(path).in_range(None).ravel(), shown, atol=1e-7)


def test_a_voi_table_of_hounsfield_units_begins_below_zero(tmp_path: Path) -> None:
    stored = np.array([[0, 1023], [1024, 1030]], np.uint16)
    # the first number is -1, written without a sign as well
    for first, signed in ((-1, True), (65535, False)):
        table = lut(first, [0, 100, 255], 8, signed)
        rescale = {"RescaleSlope": 1, "RescaleIntercept": -1024}
        path = dicom(tmp_path / "a.dcm", stored, BitsStored=12, VOILUTSequence=[table], **rescale)
        image = read_dicom(path)
        assert image.values.ravel().tolist() == [-1024, -1, 0, 6]
        np.testing.assert_allclose(image.in_range(None).ravel() * 255, [0, 0, 100, 255], atol=1e-4)


def test_a_window_goes_before_a_table(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", RAMP, VOILUTSequence=[lut(0, [0, 255], 8)], WindowCenter=100, WindowWidth=200)
    assert read_dicom(path).white == 199


def test_a_modality_table_makes_the_values(tmp_path: Path) -> None:
    stored = np.array([[0, 1, 2, 3, 200]], np.uint8)
    table = lut(1, [500, 600, 700], 10)
    image = read_dicom(dicom(tmp_path / "a.dcm", stored, ModalityLUTSequence=[table]))
    assert image.values.ravel().tolist() == [500, 500, 600, 700, 700]
    assert (image.black, image.white) == (0, 1023)


def test_a_modality_table_longer_than_the_bits_of_the_pixels(tmp_path: Path) -> None:
    table = lut(0, list(range(0, 60000, 2)), 16)
    image = read_dicom(dicom(tmp_path / "a.dcm", np.array([[0, 255]], np.uint8), ModalityLUTSequence=[table]))
    assert image.values.ravel().tolist() == [0, 510]


def test_padding_is_black_and_no_number(tmp_path: Path) -> None:
    stored = np.array([[-2000, 0], [500, 1000]], np.int16)
    for meaning in ("MONOCHROME1", "MONOCHROME2"):
        path = dicom(
            *(tmp_path / "a.dcm", stored),
            **{"PixelPaddingValue": -2000, "RescaleSlope": 1, "RescaleIntercept": -24},
            **{"WindowCenter": 500.5, "WindowWidth": 1001, "PhotometricInterpretation": meaning},
        )
        image = read_dicom(path)
        assert np.isnan(image.values[0, 0, 0])
        assert np.nanmin(image.values) == -24
        gray = image.in_range(None).ravel()
        assert gray[0] == 0
        assert gray[1] == (1 if meaning == "MONOCHROME1" else 0)


def test_padding_may_be_a_range_or_lie_beyond_the_bits(tmp_path: Path) -> None:
    stored = np.array([[0, 3, 5, 4095]], np.uint16)
    path = dicom(tmp_path / "a.dcm", stored, BitsStored=12, PixelPaddingValue=0, PixelPaddingRangeLimit=3)
    assert np.isnan(read_dicom(path).values.ravel()).tolist() == [True, True, False, False]
    # the upper bits tell padding from 2096, which has the same 12 lower bits
    beyond = np.array([[-2000, 2096 - 4096, 100]], np.int16)
    beyond[0, 1] = 0x0830
    path = dicom(tmp_path / "b.dcm", beyond.view(np.uint16), BitsStored=12, PixelPaddingValue=63536)
    values = read_dicom(path).values.ravel()
    assert np.isnan(values[0])
    assert values[1:].tolist() == [2096, 100]


def test_a_curve_leaves_padding_black(tmp_path: Path) -> None:
    curve = {"WindowCenter": 100, "WindowWidth": 400, "VOILUTFunction": "SIGMOID", "PixelPaddingValue": 4095}
    image = read_dicom(dicom(tmp_path / "a.dcm", RAMP, **curve))
    assert image.in_range(None).ravel()[3] == 0


def test_enhanced_files_rescale_each_frame(tmp_path: Path) -> None:
    stored = np.stack([RAMP, RAMP])
    frames = [
        item(
            PixelValueTransformationSequence=[item(RescaleSlope=slope, RescaleIntercept=-10, RescaleType="US")],
            FrameVOILUTSequence=[item(WindowCenter=100 * slope, WindowWidth=200)],
        )
        for slope in (1, 3)
    ]
    path = dicom(tmp_path / "a.dcm", stored, NumberOfFrames=2, PerFrameFunctionalGroupsSequence=frames)
    for index, slope in enumerate((1, 3)):
        image = read_dicom(path, index)
        np.testing.assert_array_equal(image.values[..., 0], RAMP.astype(float) * slope - 10)
        assert image.black == 100 * slope - 100
    with pytest.raises(ValueError, match=r"a\.dcm .*it holds 2 frames: choose one by `frame`, 0 to 1"):
        read_dicom(path)
    with pytest.raises(ValueError, match="its frames are 0 to 1, and `frame` is 2"):
        read_dicom(path, 2)


def test_enhanced_files_say_once_what_all_frames_share(tmp_path: Path) -> None:
    shared = item(PixelValueTransformationSequence=[item(RescaleSlope=2, RescaleIntercept=1, RescaleType="US")])
    path = dicom(tmp_path / "a.dcm", RAMP[None], NumberOfFrames=1, SharedFunctionalGroupsSequence=[shared])
    np.testing.assert_array_equal(read_dicom(path).values[..., 0], RAMP * 2.0 + 1)


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"PresentationLUTShape": "INVERSE"}, "MONOCHROME2 and INVERSE"),
        ({"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "IDENTITY"}, "MONOCHROME1 and IDENTITY"),
        ({"RescaleSlope": 2}, "the slope 2.0 and the intercept None"),
        ({"RescaleSlope": 0, "RescaleIntercept": 1}, "the slope 0.0"),
        ({"BitsStored": 12, "VOILUTSequence": [lut(5000, [1, 2], 8)]}, "its table is for 5000 to 5001"),
        ({"BitsStored": 12, "VOILUTSequence": [lut(0, [1, 300], 8)]}, "its table says 8 bits, and holds 300"),
        ({"WindowCenter": 1, "WindowWidth": 0, "PhotometricInterpretation": "MONOCHROME1"}, "states no range"),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, elements: dict[str, Any], reason: str) -> None:
    path = dicom(tmp_path / "odd.dcm", RAMP, **elements)
    with pytest.raises(ValueError, match=reason) as refused:
        read_dicom(path)
    assert "odd.dcm" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_dose_has_units_and_no_brightness(tmp_path: Path) -> None:
    image = read_dicom(dicom(tmp_path / "a.dcm", RAMP, DoseGridScaling=0.001))
    np.testing.assert_allclose(image.values[..., 0], RAMP * 0.001)
    with pytest.raises(ValueError, match="give `window`"):
        image.in_range(None)
