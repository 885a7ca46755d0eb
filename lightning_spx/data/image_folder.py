"""Images in one folder per class: ImageNet, Imagenette, CIFAR-10 as files, or your own."""

import hashlib
import warnings
from pathlib import Path

from lightning_spx.data.folder_images import read_all
from lightning_spx.data.found_images import class_folders, contents, image_paths, others_in, warn_of_others
from lightning_spx.data.image_data_module import ImageDataModule
from lightning_spx.data.labelled_images import LabelledImages
from lightning_spx.data.path_groups import checked_expression, groups_of_paths
from lightning_spx.data.splits import Plan
from lightning_spx.data.training_window import training_window
from lightning_spx.formats import Percentiles, Window
from lightning_spx.formats.window import checked_window


class ImageFolderDataModule(ImageDataModule):
    r"""Images in `root/train/<class>/` and `root/test/<class>/`, or `root/val/<class>/` if there is no `test`.

    Images are rotated as their EXIF data says, converted to RGB with all of their levels (the first frame of an
    animated image, the stored colors of transparent pixels), and resized and cropped to a central square if their size
    differs. An image with more than 20,000 px a side or 178,956,970 px in all, or with an aspect ratio above 100,
    counts as unreadable. All images are read once at the start, so that no split contains an unreadable one; sets that
    fit in 1 GiB stay in memory.

    Images are recognized by their endings or, without one, by content. One warning counts the files that are skipped,
    such as images in folders inside a class folder.

    Files of scanners and cameras of more than 8 bits often hold unscaled numbers, and are refused unless they state
    their range; `window` gives it. With other than one or three `channels`, images are NumPy arrays, (H, W, C) or
    (C, H, W), and TIFF files with that number of bands, and they stay on disk.

    Args:
        root: folder that contains `train` and `test` or `val`.
        strict: fail on an image that cannot be read; otherwise skip it, with one warning that counts them.
        verify: read all images of a large set at the start. False saves that time for files known to be good; an
            unreadable image then ends the run when it is reached.
        image_size: side of the images in pixels.
        batch_size: number of images in a batch.
        num_workers: number of processes that load images; 0 loads them in the main process.
        plan: `all`, `seeds`, `disjoint` or `folds`, see `ImageDataModule`.
        num_parts: number of models and of parts.
        part: the model this module serves.
        seed: decides parts, validation share, order and augmentation.
        images_per_part: number of images in each disjoint part, or under `seeds` of each model; None uses all images.
        val_fraction: fraction of the part that is held back for validation.
        augment: random crops and flips in training.
        channels: number of channels of the images: 3 reads photos in RGB, 1 in gray.
        window: the numbers that become 0 and 1, low and high, such as [0, 4095]; or percentiles where they lie, of each
            file or of all training images, such as {low: 1, high: 99, over: training}; None takes the range that a file
            states.
        groups: regular expression that finds in an image's path below `root` which patient, scene or capture it shows,
            such as `/(patient\d+)_`: its first capturing group, or all that it matches. No group is in two parts, or in
            training and validation.
        splits: the parts, made elsewhere, see `read_split`; None draws them.

    Raises:
        ValueError: if a number is out of its range, or `groups` is no regular expression.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     for name in ("owl", "jay"):
        ...         Path(root, "train", name).mkdir(parents=True)
        ...     ImageFolderDataModule(root=Path(root), image_size=64).class_names
        ['jay', 'owl']
    """

    # an attribute of the object only where it differs, so that a run that began before there was this setting goes on
    channels: int = 3
    window: Window | Percentiles | None = None
    # measured once, for the copies of all parts
    _measured: Window | None = None

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
        channels: int = 3,
        window: Window | Percentiles | None = None,
        groups: str | None = None,
        splits: Path | None = None,
    ) -> None:
        super().__init__(
            image_size, batch_size, num_workers, plan, num_parts, part, seed, images_per_part, val_fraction, augment
        )
        if channels < 1:
            raise ValueError(f"Expected `channels` to be at least 1, got {channels}.")
        if channels != self.channels:
            self.channels = channels
        if window is not None:
            self.window = checked_window(window)
        if groups is not None:
            self.groups = checked_expression(groups)
        if splits is not None:
            self.splits = Path(splits)
        self.root = Path(root)
        self.strict = strict
        self.verify = verify
        self.name = self.root.resolve().name

    @property
    def train_folder(self) -> Path:
        """Return the folder of the training classes."""
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
        """Return the folder of the test classes: `test`, or `val` if `test` has no class folders."""
        there = [self.root / name for name in ("test", "val") if (self.root / name).is_dir()]
        if not there:
            raise FileNotFoundError(
                f"Expected test images in {self.root / 'test'}/<class>/ or {self.root / 'val'}/<class>/: "
                f"{self.root} holds {contents(self.root)}."
            )
        return next((folder for folder in there if _has_folders(folder)), there[0])

    @property
    def class_names(self) -> list[str]:
        """Return the sorted names of the folders in `train`."""
        return [folder.name for folder in class_folders(self.train_folder)]

    def setup(self, stage: str) -> None:
        """Find missing and unreadable files, and the same images in two places, before the first batch."""
        self.pool()
        self.test()
        if stage == "fit":
            self.check_duplicates()

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
        """Return a SHA-256 of the names and sizes of all files; folders are part of the names and give the labels."""
        # with three channels the same as before there were others, and without a window as before there was one
        digest = hashlib.sha256(b"" if self.channels == 3 else f"{self.channels} channels\n".encode())
        if self.window is not None:
            digest.update(f"window {self.window!r}\n".encode())
        for folder in (self.train_folder, self.test_folder):
            for path in (path for group in class_folders(folder) for path in image_paths(group, self.channels)):
                digest.update(f"{path.relative_to(self.root).as_posix()} {path.stat().st_size}\n".encode())
        # without groups the same as before there were any
        digest.update(b"" if self.groups is None else f"groups {self.groups}\n".encode())
        return digest.hexdigest()

    def _load(self, folder: Path) -> LabelledImages:
        labels = {name: number for number, name in enumerate(self.class_names)}
        classes = class_folders(folder)
        groups = {labels[group.name]: image_paths(group, self.channels) for group in classes}
        others = others_in(folder, classes)
        warn_of_others(others + [path for group in groups.values() for path in others_in(group[0].parent, group)])
        images = read_all(
            groups, self.image_size, self.channels, strict=self.strict, verify=self.verify, window=self.window_in_use()
        )
        if self.groups is not None and images.paths is not None:
            images.groups = groups_of_paths(images.paths, self.root, self.groups)
        return images

    def window_in_use(self) -> Window | Percentiles | None:
        """Return the window with which files are read: percentiles over training are measured, once.

        They are those of all training images, whatever the part, so that all models of a study see the same images.
        """
        if not isinstance(self.window, Percentiles) or self.window.over != "training":
            return self.window
        if self._measured is None:
            paths = [path for group in class_folders(self.train_folder) for path in image_paths(group, self.channels)]
            self._measured = training_window(paths, self.window, self.channels)
        return self._measured


def _training_folders(root: Path) -> list[Path]:
    """Return the folders whose names resemble that of the training folder."""
    return sorted(path for path in root.glob("*") if path.is_dir() and path.name.lower().startswith("train"))


def _has_folders(folder: Path) -> bool:
    return any(path.is_dir() and not path.name.startswith(".") for path in folder.iterdir())
