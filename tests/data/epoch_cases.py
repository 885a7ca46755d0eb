"""Few drawn birds, and what a loader gives of them in an epoch."""

from collections.abc import Iterator

from torch.utils.data import DataLoader

from lightning_spx.data import SyntheticBirdsDataModule
from lightning_spx.data.labelled_images import Sample
from lightning_spx.data.splits import Plan
from lightning_spx.data.training_loader import EpochSampler


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
