from collections.abc import Iterator

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import nn
from torch.utils.data import DataLoader

from lightning_spx.data import SyntheticBirdsDataModule, folds
from lightning_spx.data.labelled_images import Sample
from lightning_spx.data.splits import Plan
from lightning_spx.data.training_loader import EpochSampler, TrainingImages


def birds(
    plan: Plan = "disjoint",
    num_parts: int = 2,
    part: int = 0,
    seed: int = 0,
    num_workers: int = 0,
    batch_size: int = 8,
    val_fraction: float = 0.1,
    augment: bool = True,
) -> SyntheticBirdsDataModule:
    return SyntheticBirdsDataModule(
        num_train=60,
        num_test=12,
        plan=plan,
        num_parts=num_parts,
        part=part,
        seed=seed,
        num_workers=num_workers,
        batch_size=batch_size,
        val_fraction=val_fraction,
        augment=augment,
    )


def loaded(loader: DataLoader[Sample]) -> Iterator[Sample]:
    for batch in loader:
        for position in range(len(batch["label"])):
            yield {name: values[position] for name, values in batch.items()}


def epoch_of(data: SyntheticBirdsDataModule, epoch: int = 0) -> list[Sample]:
    loader = data.train_dataloader()
    assert isinstance(loader.sampler, EpochSampler)
    loader.sampler.set_epoch(epoch)
    return list(loaded(loader))


def indices_of(samples: list[Sample]) -> list[int]:
    return [int(sample["index"]) for sample in samples]


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


def test_an_epoch_shows_each_image_once_in_a_new_order_and_augmentation() -> None:
    data = birds()
    data.batch_size = 9
    first, second = epoch_of(data, 0), epoch_of(data, 1)
    assert sorted(indices_of(first)) == sorted(indices_of(second)) == data.train_indices().tolist()
    assert indices_of(first) != indices_of(second)
    images = {int(sample["index"]): sample["image"] for sample in second}
    assert any(not torch.equal(sample["image"], images[int(sample["index"])]) for sample in first)
    for sample in first:
        assert sample["label"] == data.pool().labels[int(sample["index"])]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_epoch_depends_on_seed_part_and_epoch_alone(num_workers: int) -> None:
    reference = epoch_of(birds(), 3)
    torch.rand(5)
    again = epoch_of(birds(num_workers=num_workers), 3)
    assert indices_of(again) == indices_of(reference)
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(reference, again, strict=True))
    assert indices_of(epoch_of(birds(seed=1), 3)) != indices_of(reference)


def test_models_that_share_images_see_them_in_another_order() -> None:
    data = birds("all")
    assert indices_of(epoch_of(data.use_part(0))) != indices_of(epoch_of(data.use_part(1)))


def test_workers_that_stay_see_the_new_epoch() -> None:
    data = birds(num_workers=1)
    loader = data.train_dataloader()
    assert isinstance(loader.sampler, EpochSampler)
    for epoch in (0, 1):
        loader.sampler.set_epoch(epoch)
        seen, expected = list(loaded(loader)), epoch_of(birds(), epoch)
        assert all(torch.equal(a["image"], b["image"]) for a, b in zip(seen, expected, strict=True))


def test_processes_share_an_epoch_and_repeat_only_what_evens_it_out() -> None:
    data = birds()
    images = TrainingImages(data.pool(), data.train_indices(), (0,), augmented=True)
    shares = [list(EpochSampler(images, seed=0, num_replicas=2, rank=rank)) for rank in (0, 1)]
    assert [len(share) for share in shares] == [14, 14]
    assert set(shares[0]) | set(shares[1]) == set(range(27))


def test_augmentation_can_be_left_out() -> None:
    data = birds(augment=False)
    for sample in epoch_of(data):
        assert torch.equal(sample["image"], data.pool()[int(sample["index"])]["image"])


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
