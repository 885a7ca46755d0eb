"""Two sets of photos without pairs, such as horses and zebras, on which a CycleGAN trains."""

import hashlib
import warnings
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from lightning_spx.data.folder_images import read_all
from lightning_spx.data.found_images import contents, image_paths, others_in, warn_of_others
from lightning_spx.data.image_data_module import ImageDataModule
from lightning_spx.data.labelled_images import LabelledImages, Sample
from lightning_spx.data.path_groups import checked_expression, groups_of_paths
from lightning_spx.data.splits import Indices, Plan
from lightning_spx.data.training_loader import EpochSampler
from lightning_spx.data.transforms import zoom_and_crop

DOMAINS = ("A", "B")
VERY_DIFFERENT = 10


class UnpairedDataModule(ImageDataModule):
    """Images in `root/trainA`, `trainB`, `testA` and `testB`, in pairs that change from epoch to epoch.

    A batch is a dict: `image_a` and `image_b` `(N, 3, S, S)` float32 in [0, 1], and their positions among all training
    or test images, `index_a` and `index_b`. An epoch contains each image of the larger set once and repeats the smaller
    set. Validation and test use pairs of test images in their order, as many as the smaller set has images.

    For studies, the images of A are class 0 and those of B are class 1. `pool()`, `test()` and the parts of `disjoint`
    and `folds` contain both, and each part has its share of A and of B.

    Args:
        root: folder that contains these four folders.
        strict: fail on an image that cannot be read; otherwise skip it, with one warning that counts them.
        verify: read all images of a large set at the start, see `ImageFolderDataModule`.
        image_size: side of the images in pixels, divisible by 4.
        batch_size: number of pairs in a batch.
        num_workers: number of processes that load images; 0 loads them in the main process.
        plan: `all`, `seeds`, `disjoint` or `folds`, see `ImageDataModule`.
        num_parts: number of models and of parts.
        part: the model this module serves.
        seed: decides parts, pairs, order and augmentation.
        images_per_part: number of images, A and B together, in each disjoint part, or under `seeds` of each model; None
            uses all images.
        augment: in training, enlarge by 286/256, crop at random and flip.
        groups: regular expression that finds an image's group in its path, see `ImageFolderDataModule`.

    Raises:
        ValueError: if a number is out of its range, or `groups` is no regular expression.

    Example:
        >>> pairs = UnpairedDataModule(root=Path("data/horse2zebra"), image_size=128)
        >>> pairs.name, pairs.class_names
        ('horse2zebra', ['A', 'B'])
    """

    def __init__(
        self,
        root: Path,
        strict: bool = False,
        verify: bool = True,
        image_size: int = 256,
        batch_size: int = 1,
        num_workers: int = 0,
        plan: Plan = "all",
        num_parts: int = 1,
        part: int = 0,
        seed: int = 0,
        images_per_part: int | None = None,
        augment: bool = True,
        groups: str | None = None,
    ) -> None:
        super().__init__(
            image_size, batch_size, num_workers, plan, num_parts, part, seed, images_per_part, 0.0, augment
        )
        if groups is not None:
            self.groups = checked_expression(groups)
        if image_size % 4:
            raise ValueError(f"Expected `image_size` to be divisible by 4, got {image_size}.")
        self.root = Path(root)
        self.strict = strict
        self.verify = verify
        self.name = self.root.resolve().name

    @property
    def class_names(self) -> list[str]:
        """Return the names of the two sets."""
        return list(DOMAINS)

    def setup(self, stage: str) -> None:
        """Find missing and unreadable files before the first batch."""
        sizes = [int((self.pool().labels == label).sum()) for label in range(2)]
        self.test()
        if stage == "fit":
            self.check_duplicates()
        if max(sizes) > VERY_DIFFERENT * min(sizes):
            fewer = DOMAINS[int(np.argmin(sizes))]
            warnings.warn(
                f"The two sets in {self.root} have {sizes[0]} and {sizes[1]} training images: every image of "
                f"{fewer} is shown about {round(max(sizes) / min(sizes))} times an epoch.",
                stacklevel=2,
            )

    def load_pool(self) -> LabelledImages:
        """Return the training images of A, then those of B."""
        return self._load("train")

    def load_test(self) -> LabelledImages:
        """Return the test images of A, then those of B."""
        return self._load("test")

    def fingerprint(self) -> str:
        """Return a SHA-256 of the names and sizes of all files."""
        digest = hashlib.sha256()
        for stage in ("train", "test"):
            for path in (path for group in self._files(stage).values() for path in group):
                digest.update(f"{path.relative_to(self.root).as_posix()} {path.stat().st_size}\n".encode())
        # without groups the same as before there were any
        digest.update(b"" if self.groups is None else f"groups {self.groups}\n".encode())
        return digest.hexdigest()

    def train_dataloader(self) -> DataLoader[Sample]:
        """Return shuffled, augmented pairs of the part's images."""
        pairs = Pairs(self.pool(), self.train_indices(), self.order_words(), training=True, augmented=self.augment)
        order_seed = int(np.random.SeedSequence(self.order_words()).generate_state(1)[0])
        num_processes, rank = (self.trainer.world_size, self.trainer.global_rank) if self.trainer else (1, 0)
        epoch = self.trainer.current_epoch if self.trainer else 0
        return DataLoader(
            pairs,
            batch_size=self.batch_size,
            sampler=EpochSampler(pairs, order_seed, num_processes, rank, epoch),
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def val_dataloader(self) -> DataLoader[Sample]:
        """Return pairs of test images: they choose nothing, and the published sets have no other images."""
        return self.test_dataloader()

    def test_dataloader(self) -> DataLoader[Sample]:
        """Return pairs of test images."""
        return DataLoader(
            Pairs(self.test(), np.arange(len(self.test())), (self.seed,), training=False, augmented=False),
            # by name, because for prediction Lightning makes the loader again from its named arguments
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def _files(self, stage: str) -> dict[int, list[Path]]:
        groups = {}
        for label, domain in enumerate(DOMAINS):
            folder = self.root / f"{stage}{domain}"
            if not folder.is_dir():
                raise FileNotFoundError(
                    f"Expected images in {folder}: `root` holds the folders trainA, trainB, testA and testB, "
                    f"and here it holds {contents(self.root)}."
                )
            groups[label] = image_paths(folder)
        return groups

    def _load(self, stage: str) -> LabelledImages:
        groups = self._files(stage)
        warn_of_others(path for group in groups.values() for path in others_in(group[0].parent, group))
        images = read_all(groups, self.image_size, strict=self.strict, verify=self.verify)
        if self.groups is not None and images.paths is not None:
            images.groups = groups_of_paths(images.paths, self.root, self.groups)
        return images


class Pairs(Dataset[Sample]):
    """Pairs of an image of A and one of B; position `epoch * len + i` is pair i of that epoch.

    Args:
        images: images without augmentation, of the classes 0 (A) and 1 (B).
        indices: indices of the images to use, `(m,)`.
        seed: seeds pairs and augmentation.
        training: use each image of the larger set once an epoch, in new pairs; otherwise each at most once, in order.
        augmented: whether to enlarge, crop and flip.

    Raises:
        ValueError: if there is no image of A, or none of B.

    Example:
        >>> from lightning_spx.data.labelled_images import ArrayImages
        >>> images = ArrayImages(np.zeros((5, 8, 8, 3), np.uint8), np.array([0, 0, 0, 1, 1]))
        >>> pairs = Pairs(images, np.arange(5), (0,), training=True, augmented=False)
        >>> len(pairs), sorted(int(pairs[number]["index_a"]) for number in range(3))
        (3, [0, 1, 2])
    """

    def __init__(
        self, images: LabelledImages, indices: Indices, seed: tuple[int, ...], *, training: bool, augmented: bool
    ) -> None:
        self.images = images
        self.seed = seed
        self.training = training
        self.augmented = augmented
        self.domains = [indices[images.labels[indices] == label] for label in range(2)]
        for domain, own in zip(DOMAINS, self.domains, strict=True):
            if not own.size:
                raise ValueError(f"Expected at least one image of {domain} in the part, got none.")
        sizes = [own.size for own in self.domains]
        self.num_pairs = int(max(sizes) if training else min(sizes))
        self._epoch = -1
        self._order: list[Indices] = []

    def __len__(self) -> int:
        """Return the number of pairs."""
        return self.num_pairs

    def __getitem__(self, position: int) -> Sample:
        """Return the pair at a position."""
        epoch, number = divmod(position, len(self))
        sample: Sample = {}
        for letter, domain, own in zip("ab", range(2), self._in_epoch(epoch), strict=True):
            index = int(own[number])
            image = self.images[index]["image"]
            if self.augmented:
                image = zoom_and_crop(image, np.random.default_rng((*self.seed, epoch, number, domain)))
            sample |= {f"image_{letter}": image, f"index_{letter}": torch.tensor(index)}
        return sample

    def _in_epoch(self, epoch: int) -> list[Indices]:
        """Return which image of A and of B each pair has."""
        if not self.training:
            return self.domains
        if epoch != self._epoch:
            self._order = [
                np.concatenate(
                    [
                        np.random.default_rng((*self.seed, epoch, domain, turn)).permutation(own)
                        for turn in range(-(-len(self) // own.size))
                    ]
                )
                for domain, own in enumerate(self.domains)
            ]
            self._epoch = epoch
        return self._order
