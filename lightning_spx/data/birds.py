"""CUB-200-2011: photos of birds with the mask of each bird."""

import hashlib
import warnings
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from lightning_spx.data.bird_files import BirdPhoto, choose_species, read_photos, read_species
from lightning_spx.data.bird_images import Background, BirdImages, Masks, mask_file
from lightning_spx.data.held_pixels import IN_MEMORY_BYTES
from lightning_spx.data.image_data_module import ImageDataModule
from lightning_spx.data.labelled_images import LabelledImages
from lightning_spx.data.mask_survey import MaskSurvey
from lightning_spx.data.path_groups import checked_expression, groups_of_paths
from lightning_spx.data.resize import in_unit_range
from lightning_spx.data.splits import Plan
from lightning_spx.formats.stored_image import UnstatedRangeError

LONG_READ = 1000


class BirdsDataModule(ImageDataModule):
    """Birds in the layout of CUB-200-2011 (Wah et al., CNS-TR-2011-001), with the background kept or replaced.

    `root` holds `images/`, `segmentations/`, `images.txt`, `image_class_labels.txt`, `train_test_split.txt`,
    `classes.txt` and `bounding_boxes.txt`. Photo and mask are resized, cropped, flipped and rotated alike; a pixel is
    bird if at least half of the annotators say so. The background is replaced last, and in the same way in training,
    validation, test and prediction.

    Args:
        root: folder of the data set.
        background: what to show outside the mask: `keep`, `black`, or the `mean` color of the training photos.
        classes: species by name (`Indigo_Bunting`, `014.Indigo_Bunting`) or number; None takes all with photos.
        boxes_as_masks: use the bounding box of a photo that has no mask.
        rotation: largest angle of the random rotation in training, in degrees, 0 to 45.
        strict: fail on listed photos that are missing or cannot be read; otherwise skip them with one warning.
        image_size: side of the images in pixels.
        batch_size: number of images in a batch.
        num_workers: number of processes that load images; 0 loads them in the main process.
        plan: `all`, `seeds`, `disjoint` or `folds`, see `ImageDataModule`.
        num_parts: number of models and of parts.
        part: the model this module serves.
        seed: decides parts, validation share, order and augmentation.
        images_per_part: number of images in each disjoint part, or under `seeds` of each model; None uses all images.
        val_fraction: fraction of the part that is held back for validation.
        augment: random crops, flips and rotations in training.
        groups: regular expression that finds a photo's group in its path, see `ImageFolderDataModule`.

    Raises:
        ValueError: if a number is out of its range, or `groups` is no regular expression.

    Example:
        >>> birds = BirdsDataModule(root=Path("data/cub"), background="mean", classes=["Indigo_Bunting"])
        >>> birds.image_size, birds.background
        (224, 'mean')
    """

    def __init__(
        self,
        root: Path,
        background: Background = "black",
        classes: list[str] | None = None,
        boxes_as_masks: bool = False,
        rotation: float = 0.0,
        strict: bool = False,
        image_size: int = 224,
        batch_size: int = 32,
        num_workers: int = 0,
        plan: Plan = "disjoint",
        num_parts: int = 2,
        part: int = 0,
        seed: int = 0,
        images_per_part: int | None = None,
        val_fraction: float = 0.1,
        augment: bool = True,
        groups: str | None = None,
    ) -> None:
        super().__init__(
            image_size, batch_size, num_workers, plan, num_parts, part, seed, images_per_part, val_fraction, augment
        )
        if groups is not None:
            self.groups = checked_expression(groups)
        if background not in ("keep", "black", "mean"):
            raise ValueError(f"Expected `background` to be 'keep', 'black' or 'mean', got {background!r}.")
        if not 0 <= rotation <= 45:
            raise ValueError(f"Expected `rotation` to be 0 to 45 degrees, got {rotation}.")
        self.root = Path(root)
        self.background: Background = background
        self.classes = classes
        self.boxes_as_masks = boxes_as_masks
        self.rotation = rotation
        self.strict = strict
        self.name = self.root.resolve().name

    @property
    def class_names(self) -> list[str]:
        """Names of the species, in the order of the data set."""
        species = read_species(self.root)
        return [species[number] for number in self._numbers]

    def setup(self, stage: str) -> None:
        """Find missing and unreadable files, and the same photos in two places, before the first batch."""
        self.pool()
        self.test()
        if stage == "fit":
            self.check_duplicates()

    def load_pool(self) -> LabelledImages:
        """Return the official training photos that exist and can be read."""
        return self._load(training=True)

    def load_test(self) -> LabelledImages:
        """Return the official test photos that exist and can be read."""
        images = self._load(training=False)
        pool = self.pool()
        if isinstance(pool, BirdImages):
            # the mean color of the training photos
            images.color = pool.color
        return images

    def fingerprint(self) -> str:
        """Return a SHA-256 of the names and sizes of photos and masks, and of how they are shown."""
        settings = (self._numbers, self.background, self.boxes_as_masks, *([self.groups] if self.groups else []))
        digest = hashlib.sha256(repr(settings).encode())
        for photo in self._present:
            mask = mask_file(self.root, photo.name)
            sizes = [(self.root / "images" / photo.name).stat().st_size, mask.stat().st_size if mask.is_file() else 0]
            digest.update(f"{photo.name} {photo.species} {photo.training} {photo.box} {sizes}\n".encode())
        return digest.hexdigest()

    @cached_property
    def _numbers(self) -> list[int]:
        chosen = choose_species(read_species(self.root), self.classes)
        shown = {photo.species for photo in self._present}
        if self.classes is None:
            return [number for number in chosen if number in shown]
        lost = [number for number in chosen if number not in shown]
        if lost:
            raise ValueError(f"Expected photos of every species in `classes`, found none of {lost[0]} in {self.root}.")
        return chosen

    @cached_property
    def _present(self) -> list[BirdPhoto]:
        """Return the photos of the chosen species whose files exist."""
        chosen = set(choose_species(read_species(self.root), self.classes))
        listed = [photo for photo in read_photos(self.root) if photo.species in chosen]
        found = [photo for photo in listed if (self.root / "images" / photo.name).is_file()]
        if not found:
            raise FileNotFoundError(f"Expected photos in {self.root / 'images'}, found none of {len(listed)} listed.")
        if len(found) < len(listed):
            absent = next(photo for photo in listed if not (self.root / "images" / photo.name).is_file())
            said = f"{len(listed) - len(found)} of {len(listed)} photos are listed and absent, the first {absent.name}."
            if self.strict:
                raise FileNotFoundError(f"Expected all photos in {self.root / 'images'}: {said}")
            warnings.warn(f"Left out: {said}", stacklevel=2)
        return found

    def _masks(self, photos: list[BirdPhoto]) -> Masks:
        """Return the source of masks; refuse photos without one before any photo is read."""
        if self.background == "keep" and not self.boxes_as_masks and not (self.root / "segmentations").is_dir():
            return "none"
        without = [photo for photo in photos if not mask_file(self.root, photo.name).is_file()]
        if self.boxes_as_masks:
            without = [photo for photo in without if photo.box is None]
        if without:
            advice = "" if self.boxes_as_masks else " Set `boxes_as_masks` to take bounding boxes in their place."
            raise FileNotFoundError(
                f"Expected a mask of every photo, found none of {len(without)} of {len(photos)}, "
                f"the first {mask_file(self.root, without[0].name)}.{advice}"
            )
        return "files_or_boxes" if self.boxes_as_masks else "files"

    def _load(self, *, training: bool) -> BirdImages:
        order = {number: label for label, number in enumerate(self._numbers)}
        photos = [photo for photo in self._present if photo.training == training]
        stage = "training" if training else "test"
        if not photos:
            raise ValueError(f"Expected {stage} photos in {self.root}, found none.")
        labels = np.array([order[photo.species] for photo in photos], np.int64)
        masks = self._masks(photos)
        images = BirdImages(photos, labels, self.root, self.image_size, masks, self.background)
        in_memory = len(photos) * 4 * self.image_size**2 <= IN_MEMORY_BYTES
        good: list[int] = []
        refused: list[ValueError] = []
        kept: list[tuple[NDArray[np.uint8 | np.float32], NDArray[np.bool_] | None]] = []
        survey = MaskSurvey()
        num_bytes = 0
        total = torch.zeros(3, dtype=torch.float64)
        for index in track(range(len(photos)), "Reading birds", disable=len(photos) < LONG_READ, transient=True):
            try:
                original = images.pixels(index)
            except UnstatedRangeError:
                raise
            except ValueError as error:
                if self.strict:
                    raise
                refused.append(error)
                continue
            # not skipped like a damaged photo: a mask that does not fit is a mistake of the data set
            pixels, mask = images.fit(index, original)
            good.append(index)
            levels = 255 * in_unit_range(pixels).double() if pixels.is_floating_point() else pixels.double()
            total += levels.mean((1, 2))
            if mask is not None:
                survey.add(photos[index].name, mask)
            # a photo of more than 8 bits takes four bytes for each number
            num_bytes += pixels.nbytes + self.image_size**2
            if in_memory and num_bytes > IN_MEMORY_BYTES:
                in_memory, kept = False, []
            if in_memory:
                kept.append((pixels.numpy(), None if mask is None else mask.numpy()))
        if refused:
            warnings.warn(
                f"Left out {len(refused)} of {len(photos)} photos that cannot be read. {refused[0]}", stacklevel=2
            )
        survey.warn()
        lost = set(labels.tolist()) - set(labels[good].tolist())
        if lost or not good:
            name = self.class_names[min(lost)]
            raise ValueError(f"Expected a readable {stage} photo of {name}, got none.")
        images = BirdImages([photos[i] for i in good], labels[good], self.root, self.image_size, masks, self.background)
        images.kept, images.in_memory = kept, in_memory
        images.paths = [self.root / "images" / photo.name for photo in images.photos]
        if self.groups is not None:
            images.groups = groups_of_paths(images.paths, self.root, self.groups)
        if self.background == "mean":
            images.color = (total / len(good) / 255).float()
        return images
