"""Images in one folder per class: ImageNet, Imagenette, CIFAR-10 as files, or one's own."""

import hashlib
import warnings
from pathlib import Path

from lightning_spx.data.folder_images import read_all
from lightning_spx.data.found_images import class_folders, contents, image_paths, others_in, warn_of_others
from lightning_spx.data.image_data_module import ImageDataModule
from lightning_spx.data.labelled_images import LabelledImages
from lightning_spx.data.splits import Plan


class ImageFolderDataModule(ImageDataModule):
    """Images in `root/train/<class>/` and `root/test/<class>/`, or `root/val/<class>/` where there is no `test`.

    Images are turned as their EXIF data says, converted to RGB at 8 bits (the first frame of a moving one, the colours
    of transparent pixels as they are stored), and resized and cropped to a central square where their size differs. One
    with more than 20,000 pixels a side or 178,956,970 in all, or with a side more than 100 times as long as the other,
    is unreadable. All are read once at the start, so that no split holds an image that cannot be read; sets that fit in
    1 GiB stay in memory.

    Files count by their endings or, without one, by content. What is left out of a class, such as images in folders
    below it, is counted in one warning.

    Args:
        root: folder that holds `train` and `test` or `val`.
        strict: refuse an image that cannot be read; False: skip it, with one warning that counts them.
        verify: read all images of a large set at the start; False saves that time on files known to be good, and an
            image that cannot be read ends the run when it is met.
        image_size: side of the images in pixels.
        batch_size: images in a batch.
        num_workers: processes that load images; 0: the main process.
        plan: `all`, `disjoint` or `folds`, see `ImageDataModule`.
        num_parts: number of models.
        part: the model this module serves.
        seed: decides parts, validation share, order and augmentation.
        images_per_part: size of disjoint parts; None: all images are used.
        val_fraction: share of the part held back for validation.
        augment: random crops and flips in training.

    Raises:
        ValueError: if a number is out of its range.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     for name in ("owl", "jay"):
        ...         Path(root, "train", name).mkdir(parents=True)
        ...     ImageFolderDataModule(root=Path(root), image_size=64).class_names
        ['jay', 'owl']
    """

    def __init__(
        self,
        root: Path,
        strict: bool = False,
        verify: bool = True,
        image_size: int = 224,
        batch_size: int = 64,
        num_workers: int = 0,
        plan: Plan = "disjoint",
        num_parts: int = 2,
        part: int = 0,
        seed: int = 0,
        images_per_part: int | None = None,
        val_fraction: float = 0.1,
        augment: bool = True,
    ) -> None:
        super().__init__(
            image_size, batch_size, num_workers, plan, num_parts, part, seed, images_per_part, val_fraction, augment
        )
        self.root = Path(root)
        self.strict = strict
        self.verify = verify
        self.name = self.root.resolve().name

    @property
    def train_folder(self) -> Path:
        """The folder of the training classes."""
        folder = self.root / "train"
        if not folder.is_dir():
            alike = _training_folders(self.root)
            advice = f"name {alike[0]} `train`" if alike else "set `root` to the folder above"
            raise FileNotFoundError(
                f"Expected training images in {folder}/<class>/: {advice}. {self.root} holds {contents(self.root)}."
            )
        return folder

    @property
    def test_folder(self) -> Path:
        """The folder of the test classes: `test`, or else `val`, also where `test` has no folders of classes."""
        there = [self.root / name for name in ("test", "val") if (self.root / name).is_dir()]
        if not there:
            raise FileNotFoundError(
                f"Expected test images in {self.root / 'test'}/<class>/ or {self.root / 'val'}/<class>/: "
                f"{self.root} holds {contents(self.root)}."
            )
        return next((folder for folder in there if _has_folders(folder)), there[0])

    @property
    def class_names(self) -> list[str]:
        """Names of the folders in `train`, sorted."""
        return [folder.name for folder in class_folders(self.train_folder)]

    def setup(self, stage: str) -> None:
        """Find what is missing or cannot be read before the first batch."""
        self.pool()
        self.test()

    def load_pool(self) -> LabelledImages:
        """Return the training images that can be read."""
        return self._load(self.train_folder)

    def load_test(self) -> LabelledImages:
        """Return the test images that can be read."""
        folder, passed = self.test_folder, self.root / "test"
        other = f", or remove it and {self.root / 'val'} is the test" if (self.root / "val").is_dir() else ""
        unknown = {each.name for each in class_folders(folder)} - set(self.class_names)
        if unknown:
            raise ValueError(
                f"Expected every class in {folder} to be one of {self.train_folder}, got {sorted(unknown)}"
                f"{other if folder == passed else ''}."
            )
        if folder != passed and passed.is_dir():
            warnings.warn(
                f"{folder} is the test: {passed} has no folders of classes, it holds {contents(passed)}.", stacklevel=2
            )
        return self._load(folder)

    def fingerprint(self) -> str:
        """Return a SHA-256 of the names and sizes of all files; a file's folder is its label."""
        digest = hashlib.sha256()
        for folder in (self.train_folder, self.test_folder):
            for path in (path for group in class_folders(folder) for path in image_paths(group)):
                digest.update(f"{path.relative_to(self.root).as_posix()} {path.stat().st_size}\n".encode())
        return digest.hexdigest()

    def _load(self, folder: Path) -> LabelledImages:
        labels = {name: number for number, name in enumerate(self.class_names)}
        classes = class_folders(folder)
        groups = {labels[group.name]: image_paths(group) for group in classes}
        others = others_in(folder, classes)
        warn_of_others(others + [path for group in groups.values() for path in others_in(group[0].parent, group)])
        return read_all(groups, self.image_size, strict=self.strict, verify=self.verify)


def _training_folders(root: Path) -> list[Path]:
    """Folders of a root that are named almost as that of the training images is."""
    return sorted(path for path in root.glob("*") if path.is_dir() and path.name.lower().startswith("train"))


def _has_folders(folder: Path) -> bool:
    return any(path.is_dir() and not path.name.startswith(".") for path in folder.iterdir())
