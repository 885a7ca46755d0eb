"""Birds with attributes as findings."""

import numpy as np
import pytest
import torch

from lightning_spx.data import ArrayImages, ImageDataModule, LabelledImages, SyntheticBirdsDataModule
from lightning_spx.data.bird_attributes import ATTRIBUTES
from lightning_spx.data.bird_drawing import HUES, SHAPES, draw_bird


def drawn(shape: str, color: str, has: tuple[str, ...], seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    image, mask = draw_bird(shape, color, 64, np.random.default_rng(seed), has)
    return torch.from_numpy(image).float(), torch.from_numpy(mask)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("color", HUES)
def test_each_attribute_changes_pixels_at_a_place_of_its_own(shape: str, color: str) -> None:
    plain, _ = drawn(shape, color, ())
    changed = {}
    for attribute in ATTRIBUTES:
        image, mask = drawn(shape, color, (attribute,))
        changed[attribute] = (image - plain).abs().amax(-1) > 25
        assert 8 <= changed[attribute].sum() <= 64 * 64 / 16
        # the mark belongs to the bird
        assert (changed[attribute] & ~mask).sum() <= 0.2 * changed[attribute].sum()
    for one in ATTRIBUTES:
        for other in ATTRIBUTES:
            assert one == other or not (changed[one] & changed[other]).any()


def test_labels_say_what_is_drawn_and_each_finding_is_independent() -> None:
    birds = SyntheticBirdsDataModule(num_train=150, num_test=12, attributes=True)
    labels = birds.pool().labels
    assert labels.shape == (150, 3)
    assert labels.dtype == np.float32
    assert np.abs(labels.mean(0) - 0.5).max() < 0.1
    assert np.abs(np.corrcoef(labels.T) - np.eye(3)).max() < 0.25
    plain = SyntheticBirdsDataModule(num_train=20, num_test=12)
    for index in range(20):
        # pixels differ from those of the bird without attributes if and only if it has one
        same = torch.equal(birds.pool()[index]["image"], plain.pool()[index]["image"])
        assert same == (not labels[index].any())


def test_names_and_fingerprint() -> None:
    birds = SyntheticBirdsDataModule(num_train=12, num_test=6, attributes=True)
    plain = SyntheticBirdsDataModule(num_train=12, num_test=6)
    assert birds.findings == birds.class_names == ["crest", "wing bar", "tail band"]
    assert (birds.num_classes, plain.num_classes, plain.findings) == (3, 6, [])
    assert birds.fingerprint() != plain.fingerprint()


def test_batches_and_parts_have_findings() -> None:
    birds = SyntheticBirdsDataModule(num_train=80, num_test=6, attributes=True, batch_size=8, val_fraction=0.25)
    batch = next(iter(birds.train_dataloader()))
    assert (batch["label"].shape, batch["label"].dtype) == ((8, 3), torch.float32)
    np.testing.assert_array_equal(batch["label"].numpy(), birds.pool().labels[batch["index"]])
    indices = [
        np.concatenate([each.train_indices(), each.validation_indices()]) for each in map(birds.use_part, (0, 1))
    ]
    np.testing.assert_array_equal(np.sort(np.concatenate(indices)), np.arange(80))
    assert birds.validation_indices().size == 10


class Findings(SyntheticBirdsDataModule):
    names: tuple[str, ...] = ()

    @property
    def findings(self) -> list[str]:
        return list(self.names)

    def load_pool(self) -> LabelledImages:
        return ArrayImages(np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 2), np.float32))


def test_labels_that_do_not_fit_the_names_are_refused() -> None:
    data: ImageDataModule = Findings()
    with pytest.raises(ValueError, match=r"of shape \(n,\) without `findings`, got \(2, 2\)"):
        data.pool()
    Findings.names = ("one", "two", "three")
    with pytest.raises(ValueError, match=r"of shape \(n, 3\), a column for each of `findings`, got \(2, 2\)"):
        data.pool()
    Findings.names = ("one", "one")
    with pytest.raises(ValueError, match=r"to have different names, got \['one', 'one'\]"):
        data.pool()
