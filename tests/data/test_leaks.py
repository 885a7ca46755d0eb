"""Groups and images that are in two places: said or refused by the data modules."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightning_spx.data import ArrayImages, ImageFolderDataModule, LabelledImages, UnpairedDataModule
from lightning_spx.data.path_groups import groups_of_paths
from lightning_spx.data.splits import Indices, Plan
from tests.data.test_near_duplicates import pictures


def folders(root: Path, names: dict[str, list[str]]) -> None:
    """Write different pictures; `names` has the files of each folder below the root."""
    pixels = iter(pictures(sum(map(len, names.values()))))
    for folder, files in names.items():
        (root / folder).mkdir(parents=True)
        for name in files:
            Image.fromarray(next(pixels)).save(root / folder / name)


def patients(root: Path, test: str = "q") -> None:
    own = [f"p{number:02d}_{view}.png" for number in range(12) for view in range(3)]
    folders(
        root,
        {
            "train/ill": own[:18],
            "train/well": own[18:],
            "test/ill": [f"{test}01_0.png", f"{test}01_1.png"],
            "test/well": [f"{test}09_5.png"],
        },
    )


def module(
    root: Path,
    groups: str | None = r"/(\w\d+)_",
    strict: bool = False,
    val_fraction: float = 0.1,
    plan: Plan = "disjoint",
) -> ImageFolderDataModule:
    return ImageFolderDataModule(
        root=root, image_size=32, groups=groups, strict=strict, val_fraction=val_fraction, plan=plan
    )


def names_of(images: LabelledImages, positions: Indices) -> set[str]:
    assert images.groups is not None
    return set(images.groups[positions].tolist())


def test_an_expression_on_the_path_keeps_patients_in_one_part_and_out_of_validation(tmp_path: Path) -> None:
    patients(tmp_path)
    data = module(tmp_path, val_fraction=0.3)
    sets = [
        names_of(data.pool(), indices)
        for own in (data, data.use_part(1))
        for indices in (own.train_indices(), own.validation_indices())
    ]
    assert sum(map(len, sets)) == len(set().union(*sets)) == 12
    assert all(sets)
    plain = module(tmp_path, groups=None)
    assert plain.pool().groups is None
    assert data.fingerprint() != plain.fingerprint()
    assert data.split().groups_hash is not None
    assert plain.split().groups_hash is None


def test_a_group_in_training_and_test_is_said_once_or_refused(tmp_path: Path) -> None:
    patients(tmp_path, test="p")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        data = module(tmp_path)
        data.setup("test")
        data.use_part(1).test()
    assert "2 groups have training and test images, the first p01, with 3 of 3" in str(said[0].message)
    assert len(said) == 1
    strict = module(tmp_path, strict=True)
    strict.pool()
    for _ in range(2):
        with pytest.raises(ValueError, match="no group in both training and test: 2 groups"):
            strict.test()


def test_paths_without_a_group_and_wrong_expressions_are_refused(tmp_path: Path) -> None:
    patients(tmp_path)
    with pytest.raises(ValueError, match=r"'/\(x\\\\d\+\)_' finds none in train/ill/p00_0.png"):
        module(tmp_path, groups=r"/(x\d+)_").pool()
    for wrong in (r"(p\d", "*"):
        with pytest.raises(ValueError, match="`groups` to be a regular expression, got"):
            module(tmp_path, groups=wrong)
    # an empty name is none
    with pytest.raises(ValueError, match="finds none in a/b"):
        groups_of_paths([Path("root/a/b.png")], Path("root"), "a(x*)/")
    assert groups_of_paths([Path("root/a/b.png")], Path("root"), "a|b").tolist() == ["a"]


def test_sets_without_pairs_have_groups_too(tmp_path: Path) -> None:
    own = {
        f"{stage}{domain}": [f"{stage[1]}{i // 2}_{i}.png" for i in range(8)]
        for stage in ("train", "test")
        for domain in "AB"
    }
    folders(tmp_path, own)
    data = UnpairedDataModule(root=tmp_path, image_size=32, plan="disjoint", num_parts=2, groups=r"[AB]/.\d")
    assert not names_of(data.pool(), data.split().parts[0]) & names_of(data.pool(), data.split().parts[1])


def test_images_that_show_the_same_are_named_before_training_or_refused(tmp_path: Path) -> None:
    patients(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        module(tmp_path, groups=None).setup("fit")
    plain = module(tmp_path, groups=None)
    one, other = (part[plain.pool().labels[part] == 0][0] for part in plain.split().parts)
    paths = plain.pool().paths
    assert paths is not None
    first, second = paths[one], paths[other]
    second.write_bytes(first.read_bytes())
    (tmp_path / "test/well/q09_5.png").write_bytes(first.read_bytes())
    message = rf"1 pair in two parts \(ill/{min(first, second).name} and ill/.*\); 2 pairs in training and test \(ill/"
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        data = module(tmp_path, groups=None)
        data.setup("fit")
        data.use_part(1).setup("fit")
    assert re.search(message, str(said[0].message))
    assert len(said) == 1
    with pytest.raises(ValueError, match="that differ in parts, training, validation and test, got 1 pair"):
        module(tmp_path, groups=None, strict=True).setup("fit")
    # where all models train on the same images, only the test counts
    with pytest.warns(UserWarning, match="the same: 2 pairs in training and test"):
        module(tmp_path, groups=None, plan="seeds").setup("fit")


def test_images_say_no_groups_unless_they_are_set() -> None:
    assert ArrayImages(np.zeros((1, 8, 8), np.uint8), np.array([0])).groups is None
