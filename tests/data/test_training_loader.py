"""Training batches: each image once an epoch, in an order that depends on seed, part and epoch alone."""

import pytest
import torch

from lightning_spx.data.training_loader import EpochSampler, TrainingImages
from tests.data.epoch_cases import birds, epoch_of, indices_of, loaded


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
