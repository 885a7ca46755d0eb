"""Training batches whose order and augmentation depend only on seed, part and epoch.

So a run that resumes after the last finished epoch gets the same batches as an uninterrupted run, whatever the number
of workers and the other random draws of the program.
"""

from collections.abc import Iterator, Sized

import numpy as np
from torch.utils.data import Dataset, DistributedSampler

from lightning_spx.data.labelled_images import LabelledImages, Sample
from lightning_spx.data.splits import Indices
from lightning_spx.data.transforms import augment


class TrainingImages(Dataset[Sample]):
    """Some of the images, augmented differently in each epoch; position `epoch * len + i` is image i in that epoch.

    Args:
        images: images without augmentation.
        indices: the images to train on, `(m,)`.
        seed: seeds the augmentation.
        augmented: whether to augment the images.
        rotation: largest angle of the random rotation, in degrees.
    """

    def __init__(
        self,
        images: LabelledImages,
        indices: Indices,
        seed: tuple[int, ...],
        *,
        augmented: bool,
        rotation: float = 0.0,
    ) -> None:
        self.images = images
        self.indices = indices
        self.seed = seed
        self.augmented = augmented
        self.rotation = rotation

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.indices)

    def __getitem__(self, position: int) -> Sample:
        """Return the sample at a position; its `index` stays that of the full data set."""
        epoch, number = divmod(position, len(self.indices))
        index = int(self.indices[number])
        if not self.augmented:
            return self.images[index]
        generator = np.random.default_rng((*self.seed, epoch, index))
        return self.images.finish(augment(self.images.unfinished(index), generator, self.rotation))


class EpochSampler(DistributedSampler[int]):
    """Shuffles by seed and epoch; positions encode the epoch, because workers outlive it.

    Lightning calls `set_epoch` before every epoch, and does not replace a `DistributedSampler` on several devices.

    Args:
        images: the data set that reads the positions.
        seed: seeds the order.
        num_replicas: number of processes that share an epoch.
        rank: number of this process.
        epoch: the first epoch. A resumed run needs it, because workers read ahead before Lightning calls `set_epoch`.
    """

    def __init__(
        self, images: Dataset[Sample], seed: int, num_replicas: int = 1, rank: int = 0, epoch: int = 0
    ) -> None:
        super().__init__(images, num_replicas=num_replicas, rank=rank, shuffle=True, seed=seed)
        self.set_epoch(epoch)
        if not isinstance(images, Sized):
            raise TypeError(f"Expected images that can be counted, got {type(images).__name__}.")
        self.num_images = len(images)

    def __iter__(self) -> Iterator[int]:
        """Return the positions of this process in this epoch."""
        return (self.epoch * self.num_images + number for number in super().__iter__())
