"""The pictures of a page."""

import base64
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from lightning_spx.reporting.example_pair import example_pair
from lightning_spx.reporting.gallery import encode_gallery
from tests.reporting.gallery_cases import gallery


def png(address: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


def test_the_pictures_hold_ids_and_maps() -> None:
    shown = gallery(size=40)
    encoded = json.loads(json.dumps(encode_gallery(shown)))
    ids = png(encoded["segments"]["Slic"][1]).astype(int)
    assert shown.segments["Slic"].max() > 255
    assert np.array_equal(ids[..., 0] + 256 * ids[..., 1], shown.segments["Slic"][1])
    assert np.array_equal(png(encoded["pixel"]["IG"][1][0]), (shown.maps["IG"].pixel[1, 0] * 255).round())
    values = np.array(encoded["pooled"]["IG"]["Slic"]["after"][0][1])
    assert np.allclose(values[shown.segments["Slic"][1]], shown.maps["IG"].pooled["Slic", "after"][0, 1], atol=5e-5)


def test_maps_of_filters_are_pictures_because_they_have_no_segments() -> None:
    shown = gallery(size=40)
    smooth = np.random.default_rng(0).random(shown.maps["IG"].pixel.shape, np.float32)
    pooled = {("JointBilateral", "after"): smooth, **shown.maps["IG"].pooled}
    shown = replace(shown, maps={"IG": replace(shown.maps["IG"], pooled=pooled)})
    encoded = json.loads(json.dumps(encode_gallery(shown)))
    assert list(encoded["pooled"]["IG"]) == ["JointBilateral", "Slic"]
    assert "JointBilateral" not in encoded["segments"]
    for model, photos in enumerate(encoded["pooled"]["IG"]["JointBilateral"]["after"]):
        for photo, address in enumerate(photos):
            assert np.array_equal(png(address), (smooth[model, photo] * 255).round())
    # and they count for the size of the page
    assert encode_gallery(shown, len(json.dumps(encode_gallery(gallery(size=40)))))["left_out"] == 1


@pytest.mark.parametrize("budget", [0, 20_000, 10**9])
def test_photos_that_do_not_fit_are_left_out_and_counted(budget: int) -> None:
    shown = gallery(size=64, photos=3)
    encoded = encode_gallery(shown, budget)
    photos, left_out = encoded["photos"], encoded["left_out"]
    assert isinstance(photos, list)
    assert isinstance(left_out, int)
    assert len(photos) + left_out == 3
    assert len(json.dumps(encoded)) < budget + 1000 or budget == 0
    assert (len(photos) == 3) == (budget == 10**9)


def test_photos_whose_maps_agree_least_come_first_and_keep_their_numbers() -> None:
    shown = gallery(photos=4)
    kinds = {("pixel", "either"): np.array([0.5, np.nan, -0.25, 0.75]), ("Slic", "after"): np.arange(4.0)}
    encoded = json.loads(json.dumps(encode_gallery(replace(shown, agreement={"IG": kinds})), allow_nan=False))
    assert encoded["numbers"] == [3, 1, 4, 2]
    assert encoded["agreement"] == {
        "IG": {"pixel": {"either": [-0.25, 0.5, 0.75, None]}, "Slic": {"after": [2, 0, 3, 1]}}
    }
    for place, number in enumerate(encoded["numbers"]):
        assert np.array_equal(png(encoded["photos"][place]), (shown.photos[number - 1] * 255).round())
        assert np.array_equal(
            png(encoded["pixel"]["IG"][1][place]), (shown.maps["IG"].pixel[1, number - 1] * 255).round()
        )


@pytest.mark.parametrize(
    ("sentence", "method"),
    [
        ("Partly: SmoothGrad's maps agree best; not above chance: Gradient.", "SmoothGrad"),
        ("Partly: SmoothGrad(base=IG)'s maps agree.", "SmoothGrad(base=IG)"),
        ("No answer: blank maps.", "Gradient"),
        ("", "Gradient"),
    ],
)
def test_the_pair_shows_the_method_that_the_answer_names_first(sentence: str, method: str) -> None:
    shown = gallery()
    maps = shown.maps["IG"]
    named = replace(shown, maps={"Gradient": maps, "SmoothGrad": maps, "SmoothGrad(base=IG)": maps})
    pair = example_pair(named, sentence)
    assert pair is not None
    assert pair.method == method


def test_one_model_has_no_pair() -> None:
    assert example_pair(gallery(models=1), "") is None
