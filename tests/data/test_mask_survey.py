"""All masks of a data set together: what is odd in one of them, absent or inverted."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_spx.data import Background, BirdsDataModule
from lightning_spx.data.mask_survey import MaskSurvey
from tests.data.bird_folder import make_birds


def birds(root: Path, background: Background = "black") -> BirdsDataModule:
    return BirdsDataModule(root, background, image_size=24, plan="all", num_parts=1)


@pytest.mark.parametrize("background", ["keep", "black", "mean"])
def test_one_odd_mask_ends_the_setup_by_its_name(background: Background, tmp_path: Path) -> None:
    root = make_birds(tmp_path / "CUB", present=(1, 2, 3))
    odd = root / "segmentations/002.Owl/4.png"
    Image.fromarray((np.asarray(Image.open(odd)) > 0).astype(np.uint8) * 3).save(odd)
    with pytest.raises(ValueError, match=r"002.Owl/4\.png to be 255 on the object, got at most 3"):
        birds(root, background).setup("fit")


def test_photos_without_an_object_are_counted(tmp_path: Path) -> None:
    root = make_birds(tmp_path / "CUB", present=(1, 2, 3))
    for name in ("001.Jay/1.png", "002.Owl/2.png"):
        Image.new("L", (32, 24)).save(root / "segmentations" / name)
    with pytest.warns(UserWarning, match=r"2 of 12 masks have no object in the image.*that of 001.Jay/1.jpg\."):
        birds(root).pool()


def test_inverted_masks_are_named_and_centred_objects_are_not(tmp_path: Path) -> None:
    root = make_birds(tmp_path / "CUB", present=(1, 2, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        birds(root).pool()
    for path in (root / "segmentations").rglob("*.png"):
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    with pytest.warns(UserWarning, match="In 12 masks the object is at the border .* if they are inverted"):
        birds(root).pool()


def test_a_survey_of_masks_without_any_object_says_that_alone() -> None:
    survey = MaskSurvey()
    survey.add("a.png", torch.zeros(8, 8, dtype=torch.bool))
    assert len(survey.said()) == 1
    assert MaskSurvey().said() == []
