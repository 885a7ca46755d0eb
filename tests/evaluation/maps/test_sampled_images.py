"""Which images a study explains, and which models trained on them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_spx.data import Split, SyntheticBirdsDataModule
from lightning_spx.data.labelled_images import LabelledImages
from lightning_spx.data.splits import Plan
from lightning_spx.evaluation.maps.sampled_images import draw_images, finding_sets, keep_splits, sample_photos
from tests.small_study import all_images, all_labels


def birds(plan: Plan = "disjoint", num_parts: int = 2, seed: int = 0) -> SyntheticBirdsDataModule:
    return SyntheticBirdsDataModule(num_train=30, num_test=20, num_classes=2, plan=plan, num_parts=num_parts, seed=seed)


class Shifted(LabelledImages):
    """The images of another set, with a constant added."""

    def __init__(self, images: LabelledImages, shift: float) -> None:
        super().__init__(images.labels)
        self.images = images
        self.shift = shift

    def read(self, index: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        image, mask = self.images.read(index)
        return image + self.shift, mask


class ShiftedBirds(SyntheticBirdsDataModule):
    """Birds normalized outside the model, as a user's own data may be."""

    shift = -0.5

    def load_test(self) -> LabelledImages:
        return Shifted(super().load_test(), self.shift)


def test_test_images_are_drawn_class_by_class() -> None:
    data = birds()
    drawn = draw_images(data, 10, seed=0)
    assert torch.bincount(all_labels(drawn)).tolist() == [5, 5]
    assert len(set(drawn.index.tolist())) == 10
    for image, label, index in zip(all_images(drawn), all_labels(drawn), drawn.index, strict=True):
        sample = data.test()[int(index)]
        assert torch.equal(image, sample["image"])
        assert label == sample["label"]


def test_the_seed_decides_which_images_are_drawn() -> None:
    assert draw_images(birds(), 8, seed=1).index.tolist() == draw_images(birds(), 8, seed=1).index.tolist()
    assert draw_images(birds(), 8, seed=1).index.tolist() != draw_images(birds(), 8, seed=2).index.tolist()


def test_under_folds_images_of_the_pool_are_drawn() -> None:
    data = birds("folds", 3)
    drawn = draw_images(data, 25, seed=0)
    assert torch.equal(all_images(drawn)[4], data.pool()[int(drawn.index[4])]["image"])


def test_under_folds_each_image_is_held_out_by_the_one_model_that_did_not_train_on_it() -> None:
    data = birds("folds", 3)
    drawn = draw_images(data, 25, seed=0)
    held_out = drawn.held_out(data.split(), 3)
    assert held_out is not None
    assert held_out.shape == (3, 25)
    assert held_out.sum(0).tolist() == [1] * 25
    for part in range(3):
        trained_on = np.isin(drawn.index.numpy(), data.use_part(part).train_indices())
        assert (held_out[part].numpy() == ~trained_on).all()


def test_test_images_are_held_out_by_no_model_in_particular() -> None:
    data = birds()
    assert draw_images(data, 6, seed=0).held_out(data.split(), 2) is None


def test_more_images_than_there_are_are_refused() -> None:
    with pytest.raises(ValueError, match="Expected `num_images` to be 0 to 20, the images there are, got 21"):
        draw_images(birds(), 21, seed=0)


@pytest.mark.parametrize("shift", [-0.5, 0.5])
def test_images_outside_0_and_1_are_refused(shift: float) -> None:
    data = ShiftedBirds(num_train=6, num_test=6, num_classes=2)
    data.shift = shift
    with pytest.raises(ValueError, match=r"Expected images in \[0, 1\], got .* to .*: normalize inside the model"):
        draw_images(data, 4, seed=0)


def test_images_with_a_nan_are_refused() -> None:
    data = ShiftedBirds(num_train=6, num_test=6, num_classes=2)
    data.shift = float("nan")
    with pytest.raises(ValueError, match=r"Expected images in \[0, 1\], got nan"):
        draw_images(data, 4, seed=0)


def test_the_same_splits_are_taken_up_again(tmp_path: Path) -> None:
    data, path = birds(), tmp_path / "splits.json"
    splits = [data.use_part(0, repeat).split() for repeat in range(2)]
    keep_splits(path, splits, data)
    written = path.read_bytes()
    keep_splits(path, splits, data)
    assert path.read_bytes() == written
    assert [entry["seed"] for entry in json.loads(written)] == [0, 1]


@pytest.mark.parametrize("others", [[birds(seed=5).split()], [birds().split()] * 2])
def test_other_splits_than_the_kept_ones_are_refused(tmp_path: Path, others: list[Split]) -> None:
    data, path = birds(), tmp_path / "splits.json"
    keep_splits(path, [data.split()], data)
    with pytest.raises(ValueError, match=r"Expected the splits in .*splits\.json to be those of these settings"):
        keep_splits(path, others, data)


def test_an_edited_file_is_refused(tmp_path: Path) -> None:
    data, path = birds(), tmp_path / "splits.json"
    keep_splits(path, [data.split()], data)
    content = json.loads(path.read_text())
    first, second = content[0]["parts"]
    first[0], second[0] = second[0], first[0]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"splits\.json to be unchanged, but split 0 differs"):
        keep_splits(path, [data.split()], data)


def test_photos_are_spread_over_the_list_and_one_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for number in range(6):
        Image.new("RGB", (8, 8), (40 * number,) * 3).save(tmp_path / f"{number}.png")
    found = sample_photos([str(tmp_path)], 8, 3, strict=True)
    assert (found.images[:, 0, 0, 0] * 255).round().tolist() == [0, 80, 160]
    (tmp_path / "2.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"2\.png"):
        sample_photos([str(tmp_path)], 8, 3, strict=True)
    with pytest.warns(UserWarning, match=r"Left out 1 of 3 images.*2\.png"):
        assert len(sample_photos([str(tmp_path)], 8, 3, strict=False)) == 2


class Findings(LabelledImages):
    """Images with findings in place of a class."""

    def __init__(self, images: LabelledImages, findings: np.ndarray) -> None:
        super().__init__(images.labels)
        self.images = images
        self.labels = findings

    def read(self, index: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        return self.images.read(index)

    def unfinished(self, index: int) -> dict[str, torch.Tensor]:
        image, mask = self.read(index)
        assert mask is not None
        return {"image": image, "label": torch.from_numpy(self.labels[index]), "mask": mask}


FINDINGS = ["wing", "crest", "tail"]


class BirdsWithFindings(SyntheticBirdsDataModule):
    """Half of the birds have a wing, a quarter a crest as well, and one has a tail."""

    findings = FINDINGS

    def load_test(self) -> LabelledImages:
        images = super().load_test()
        labels = np.zeros((len(images), 3), np.float32)
        labels[::2, 0] = labels[::4, 1] = labels[1, 2] = 1
        labels[3, 2] = np.nan
        return Findings(images, labels)


def test_images_with_findings_are_drawn_by_their_sets_of_findings() -> None:
    data = BirdsWithFindings(num_train=30, num_test=20, num_classes=2)
    drawn = draw_images(data, 12, seed=0)
    assert drawn.findings == ("wing", "crest", "tail")
    assert drawn.num_classes == 3
    labels = all_labels(drawn)
    assert labels.dtype == torch.float32
    expected = data.test().labels[drawn.index.numpy()]
    np.testing.assert_array_equal(labels.numpy(), expected)
    # by hand: of 20 images 5 have wing and crest, 5 a wing alone, 9 none, and one a tail, which is rare
    wing, crest = labels[:, 0] == 1, labels[:, 1] == 1
    assert (int((wing & crest).sum()), int((wing & ~crest).sum())) == (3, 3)
    assert len(set(drawn.index.tolist())) == 12


def test_rare_sets_are_drawn_at_random_and_none_is_left_out_for_good() -> None:
    labels = np.zeros((40, 6))
    labels[:6, :6] = np.eye(6)  # six sets of one image each
    sets = finding_sets(labels, 20)
    assert len(np.unique(sets[:6])) == 1
    assert not np.isin(sets[:6], sets[6:]).any()
    labels[:6, :1], labels[0, 0] = 0, 1
    assert np.array_equal(finding_sets(labels, 40), finding_sets(labels, 400))


def test_labels_of_findings_other_than_zero_and_one_are_refused() -> None:
    data = BirdsWithFindings(num_train=30, num_test=20, num_classes=2)
    data.test().labels[0, 0] = 2
    with pytest.raises(ValueError, match="Expected labels of findings to be 0, 1 or NaN, got 2"):
        draw_images(data, 4, seed=0)
