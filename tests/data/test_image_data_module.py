import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import nn

from lightning_spx.data import folds
from lightning_spx.data.labelled_images import Sample
from tests.data.epoch_cases import birds, epoch_of, indices_of, loaded


def test_training_and_validation_images_of_all_parts_are_disjoint_and_complete() -> None:
    data = birds(val_fraction=0.2)
    used = [
        indices
        for part in (0, 1)
        for indices in (data.use_part(part).train_indices(), data.use_part(part).validation_indices())
    ]
    np.testing.assert_array_equal(np.sort(np.concatenate(used)), np.arange(60))
    assert [indices.size for indices in used] == [24, 6, 24, 6]
    # one image in five of each of the six classes
    assert np.bincount(data.pool().labels[data.validation_indices()]).tolist() == [1] * 6


def test_under_folds_a_model_validates_on_the_fold_it_never_sees() -> None:
    data = birds("folds", num_parts=3)
    for part, fold in enumerate(folds(data.pool().labels, 3, 0)):
        own = data.use_part(part)
        assert indices_of(list(loaded(own.val_dataloader()))) == fold.tolist()
        np.testing.assert_array_equal(own.held_out(), fold)
        np.testing.assert_array_equal(np.sort(np.concatenate([own.train_indices(), fold])), np.arange(60))


def test_nothing_is_held_out_under_other_plans() -> None:
    assert birds("all").held_out().size == birds("disjoint").held_out().size == 0


def test_under_all_a_model_trains_on_everything_but_its_validation_share() -> None:
    data = birds("all", num_parts=3, part=2)
    assert data.train_indices().size == 54
    assert data.validation_indices().size == 6


def test_under_seeds_models_have_the_same_images_in_orders_and_with_augmentations_of_their_own() -> None:
    data = birds("seeds", num_parts=3, val_fraction=0.2)
    first, second = data.use_part(0), data.use_part(1)
    np.testing.assert_array_equal(first.train_indices(), second.train_indices())
    assert indices_of(list(loaded(first.val_dataloader()))) == indices_of(list(loaded(second.val_dataloader())))
    one, other = epoch_of(first), epoch_of(second)
    assert indices_of(one) != indices_of(other)
    shown = {int(sample["index"]): sample["image"] for sample in one}
    again = {int(sample["index"]): sample["image"] for sample in other}
    both = shown.keys() & again.keys()
    assert len(both) >= 40
    assert sum(torch.equal(shown[index], again[index]) for index in both) < len(both) / 4


def test_another_training_on_a_part_has_its_images_and_the_order_of_no_part() -> None:
    data = birds(num_parts=2)
    again = data.use_part(0, replicate=1)
    np.testing.assert_array_equal(again.train_indices(), data.train_indices())
    np.testing.assert_array_equal(again.validation_indices(), data.validation_indices())
    assert indices_of(epoch_of(again)) != indices_of(epoch_of(data))
    words = [data.use_part(part, replicate=number).order_words() for part in (0, 1) for number in range(3)]
    assert len(set(words)) == 6
    # the part's own model is what it was before there were others
    assert [data.use_part(part).order_words() for part in (0, 1)] == [(0, 0), (0, 1)]
    assert again.use_part(0).replicate == 0


def test_validation_shows_the_images_of_the_pool_as_they_are() -> None:
    data = birds(val_fraction=0.5)
    for sample in loaded(data.val_dataloader()):
        original = data.pool()[int(sample["index"])]
        assert all(torch.equal(sample[name], original[name]) for name in original)


def test_test_and_prediction_show_the_test_images_in_order() -> None:
    data = birds()
    for loader in (data.test_dataloader(), data.predict_dataloader()):
        samples = list(loaded(loader))
        assert indices_of(samples) == list(range(12))
        assert all(torch.equal(samples[i]["image"], data.test()[i]["image"]) for i in range(12))


def test_without_a_share_there_is_no_validation() -> None:
    data = birds(val_fraction=0.0)
    assert list(data.val_dataloader()) == []
    assert data.train_indices().size == 30


def test_a_last_batch_of_few_images_is_dropped_unless_it_is_the_only_one() -> None:
    assert [len(batch["label"]) for batch in birds(batch_size=8).train_dataloader()] == [8, 8, 8]
    assert [len(batch["label"]) for batch in birds(batch_size=64).train_dataloader()] == [27]


def test_parts_share_the_images_whoever_reads_first() -> None:
    data = birds()
    first, second = data.use_part(0), data.use_part(1)
    assert first.pool() is second.pool() is data.pool()
    assert second.test() is data.test()


def test_a_part_is_a_copy_with_its_own_trainer_and_seed() -> None:
    class Nothing(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(1, 1)

        def test_step(self, batch: Sample, batch_idx: int) -> None:
            self.layer(batch["image"].mean().reshape(1))

    data = birds()
    Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, barebones=True).test(Nothing(), data)
    other = data.use_part(1, seed=9)
    assert data.trainer is not None
    assert other.trainer is None
    assert (other.part, other.seed, data.part, data.seed) == (1, 9, 0, 0)
    assert other.split().seed == 9


def test_a_part_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="`part` to be 0 to 1, got 2"):
        birds().use_part(2)
    with pytest.raises(ValueError, match="`part` to be 0 to 1, got 2"):
        birds(part=2)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="`batch_size` to be at least 1, got 0"):
        birds(batch_size=0)
    with pytest.raises(ValueError, match="`num_workers` to be at least 0, got -1"):
        birds(num_workers=-1)
    with pytest.raises(ValueError, match=r"`val_fraction` to be in \[0, 1\), got 1.0"):
        birds(val_fraction=1.0)
