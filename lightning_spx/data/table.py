"""Images that a table lists: CSV, TSV or Parquet, one row an image."""

import hashlib
import os
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from torch.utils.data import DataLoader

from lightning_spx.data.image_data_module import ImageDataModule
from lightning_spx.data.labelled_images import LabelledImages, Sample
from lightning_spx.data.leaks import alike_images, check_alike
from lightning_spx.data.splits import Indices, Plan
from lightning_spx.data.table_images import Shown, load_images
from lightning_spx.data.table_labels import Uncertain, Unmentioned
from lightning_spx.data.table_rows import TableRows, read_rows
from lightning_spx.data.table_sets import SET_NAMES, TEST, TRAIN, VALIDATION
from lightning_spx.data.table_settings import TableSettings, Unlabelled
from lightning_spx.data.training_window import training_window
from lightning_spx.formats.window import Percentiles, Window, checked_window


class TableDataModule(ImageDataModule):
    """Images that a CSV, TSV or Parquet file lists, with a label, and where there is one, group, set and mask of each.

    `path`, `label`, `group`, `split`, `mask`, `box` and `frame` are names of columns. Every cell is text until its
    meaning is known, so 00012 and NA stay what they are. Rows that repeat others are left out and counted; an image
    that is listed with two meanings is refused.

    One column of labels makes classes, in the order of the numbers if all are whole, else of the alphabet. A list of
    columns, or a `separator`, makes findings: 1, true or yes; 0, false or no; -1 is uncertain, and empty unmentioned.

    All images are read once at the start, image and mask resized and cropped alike; sets that fit in 1 GiB stay in
    memory. Of each of the three sets, all images have a mask or none.

    Args:
        table: the file; text is UTF-8, and cells are quoted as in RFC 4180.
        root: folder that names of files start from and do not leave; None takes the folder of the table.
        path: names of image files; backslashes separate folders, and absolute names are accepted inside `root`.
        label: the class, or a list of columns, one for each finding.
        group: patient, scene or capture. No group is in two parts, or in training and test.
        split: train, val (or dev), or test. Rows of val are the validation of all models, which train on none of them;
            without rows of test they are the test. None draws the test, the same for all seeds.
        mask: files of masks, relative to `root`; the same file in all rows if it holds the masks of all images.
        box: left, top, width and height in pixels, four columns or one with four numbers; its inside is the mask of an
            image without one.
        frame: page, slice or frame of the file, from 0, for files with several; empty for the only one.
        suffix: what is appended to every name of an image, such as .jpg.
        columns: names of all columns of a text file without a header.
        delimiter: what separates cells, a space for any number of them; None takes the one that fits the header.
        threshold: makes two classes of numbers, below it and from it on.
        separator: what joins the names of findings in one column, such as `|`; None takes a cell as one class.
        no_finding: the name that says in such a column that there is none.
        uncertain: what -1 becomes: `absent`, `present` or `unsaid` (U-Zeros, U-Ones and U-Ignore of CheXpert).
        unmentioned: what the empty cell of a finding becomes: `unsaid`, which trains nothing, or `absent`.
        unlabelled: whether to refuse or to skip rows without a class.
        test_fraction: share of the rows in a drawn test.
        window: numbers that become black and white, low and high, or percentiles; None takes the range of the file.
        channels: number of channels of the images: 3 reads photos in RGB, 1 in gray.
        mask_labels: names or numbers of the objects in mask files that count; None for all.
        splits: the parts, made elsewhere, see `read_split`; None draws them.
        strict: fail on images that are missing or cannot be read, and on images that show the same in two parts;
            otherwise skip the former with one warning, and warn of the latter.
        verify: read all images of a large set at the start.
        image_size: side of the images in pixels.
        batch_size: number of images in a batch.
        num_workers: number of processes that load images; 0 loads them in the main process.
        plan: `all`, `seeds`, `disjoint` or `folds`, see `ImageDataModule`.
        num_parts: number of models and of parts.
        part: the model this module serves.
        seed: decides parts, validation share, order and augmentation.
        images_per_part: number of images in each disjoint part, or under `seeds` of each model; None uses all images.
        val_fraction: fraction of the part that is held back for validation, if the table has no rows for it.
        augment: random crops and flips in training.

    Raises:
        ValueError: if a number is out of its range.

    Example:
        >>> data = TableDataModule(Path("chest/train.csv"), label=["Edema", "Mass"], group="patient")
        >>> data.name, data.image_size
        ('train', 224)
    """

    def __init__(
        self,
        table: Path,
        root: Path | None = None,
        path: str = "path",
        label: list[str] | str = "label",
        group: str | None = None,
        split: str | None = None,
        mask: str | None = None,
        box: list[str] | str | None = None,
        frame: str | None = None,
        suffix: str = "",
        columns: list[str] | None = None,
        delimiter: str | None = None,
        threshold: float | None = None,
        separator: str | None = None,
        no_finding: str | None = "No Finding",
        uncertain: Uncertain = "refuse",
        unmentioned: Unmentioned = "unsaid",
        unlabelled: Unlabelled = "refuse",
        test_fraction: float = 0.2,
        window: Window | Percentiles | None = None,
        channels: int = 3,
        mask_labels: list[str] | None = None,
        splits: Path | None = None,
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
        if channels < 1:
            raise ValueError(f"Expected `channels` to be at least 1, got {channels}.")
        if frame is not None and isinstance(window, Percentiles) and window.over == "training":
            raise ValueError(
                "Expected numbers or percentiles over the file as `window` with `frame`, got over training."
            )
        file = _normal(Path(table))
        self.settings = TableSettings(
            table=file,
            root=file.parent if root is None else _normal(Path(root)),
            path=path,
            label=label,
            group=group,
            split=split,
            mask=mask,
            box=box,
            frame=frame,
            suffix=suffix,
            columns=columns,
            delimiter=delimiter,
            threshold=threshold,
            separator=separator,
            no_finding=no_finding,
            uncertain=uncertain,
            unmentioned=unmentioned,
            unlabelled=unlabelled,
            test_fraction=test_fraction,
            strict=strict,
        )
        self.window = checked_window(window)
        self.channels = channels
        self.mask_labels = mask_labels
        self.verify = verify
        self.strict = strict
        self.splits = None if splits is None else Path(splits)
        self.name = file.stem
        # whether the rows of val are the validation; not those of other images, such as ones with removed pixels
        self.has_own_validation = True
        # shared with the copies for other parts, so that the table is read and the window measured only once
        self._rows: list[TableRows] = []
        self._windows: list[Window] = []

    @property
    def rows(self) -> TableRows:
        """Return the rows whose files exist; the table is read once.

        Raises:
            FileNotFoundError: the table or files are missing.
            ValueError: a cell has no meaning, see `read_rows`.
        """
        if not self._rows:
            self._rows.append(read_rows(self.settings))
        return self._rows[0]

    @property
    def class_names(self) -> list[str]:
        """Return the name of each class, or of each finding, in the order of the labels."""
        return self.rows.labels.names

    @property
    def findings(self) -> list[str]:
        """Return the name of each finding; empty if an image has one class."""
        return self.rows.labels.names if self.settings.has_findings else []

    @property
    def summary(self) -> str:
        """Return how many images, groups, and images of each class or with each finding the sets have, as text."""
        rows = self.rows
        columns = {}
        for number, name in enumerate(SET_NAMES):
            own = rows.sets == number
            labels = rows.labels.labels[own]
            each = (labels == 1).sum(0) if self.findings else np.bincount(labels, minlength=len(self.class_names))
            groups = [] if rows.groups is None else [len(np.unique(rows.groups[own]))]
            columns[name] = [int(own.sum()), *groups, *each.tolist()]
        index = ["images", *([] if rows.groups is None else ["groups"]), *self.class_names]
        return pd.DataFrame(columns, index=index).to_string()

    def setup(self, stage: str) -> None:
        """Find missing and unreadable files, and the same images in two places, before the first batch."""
        self.pool()
        self.test()
        self.validation()
        if stage == "fit":
            self.check_duplicates()
            self._check_validation()

    def load_pool(self) -> LabelledImages:
        """Return the training images that can be read."""
        return self._load(TRAIN)

    def load_test(self) -> LabelledImages:
        """Return the test images that can be read."""
        return self._load(TEST)

    def validation(self) -> LabelledImages | None:
        """Return the images that the table lists for validation, or None if it lists none."""
        if not self.has_own_validation or not (self.rows.sets == VALIDATION).any():
            return None
        if "validation" not in self._images:
            self._images["validation"] = self._checked(self._load(VALIDATION))
        return self._images["validation"]

    def _check_validation(self) -> None:
        images, pool = self.validation(), self.pool()
        if images is not None and (self.strict or (pool.in_memory and images.in_memory)):
            check_alike(alike_images(pool, images)[1], pool, images, "in training and validation", self.strict)

    def validation_indices(self) -> Indices:
        """Return the sorted pool indices for validation; none under plans without folds if the table lists images."""
        if self.plan != "folds" and self.validation() is not None:
            return np.empty(0, np.int64)
        return super().validation_indices()

    def val_dataloader(self) -> DataLoader[Sample]:
        """Return batches of the images that the table lists for validation, or of the part that is held back."""
        images = self.validation()
        return super().val_dataloader() if images is None else self._evaluation_loader(images, np.arange(len(images)))

    def with_images(self, pool: LabelledImages, test: LabelledImages, seed: int) -> Self:
        """Return a copy for a single model with other images, of which a fraction is the validation."""
        other = super().with_images(pool, test, seed)
        other.has_own_validation = False
        return other

    def fingerprint(self) -> str:
        """Return a SHA-256 of the rows, of the sizes of their files, and of how they are shown."""
        shown = (self.channels, self.window, self.mask_labels)
        return hashlib.sha256(f"{shown} {self.rows.fingerprint()}".encode()).hexdigest()

    def window_in_use(self) -> Window | Percentiles | None:
        """Return the window with which files are read: percentiles over training are measured, once for all parts."""
        if not isinstance(self.window, Percentiles) or self.window.over != "training":
            return self.window
        if not self._windows:
            rows = self.rows.take(np.flatnonzero(self.rows.sets == TRAIN))
            files = [rows.root / name for name in rows.paths]
            self._windows.append(training_window(files, self.window, self.channels))
        return self._windows[0]

    def _load(self, number: int) -> LabelledImages:
        shown = Shown(self.image_size, self.channels, self.window_in_use(), self.mask_labels)
        return load_images(
            self.rows.take(np.flatnonzero(self.rows.sets == number)),
            shown,
            kind=SET_NAMES[number],
            strict=self.settings.strict,
            verify=self.verify,
        )


def _normal(path: Path) -> Path:
    return Path(os.path.normpath(path.expanduser().absolute()))
