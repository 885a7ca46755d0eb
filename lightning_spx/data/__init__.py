"""Lightning data modules of labeled images, and index arithmetic for the parts that models train on."""

from lightning_spx.data.bird_images import Background, read_mask, replace_background
from lightning_spx.data.birds import BirdsDataModule
from lightning_spx.data.cifar10 import CIFAR10DataModule
from lightning_spx.data.given_splits import given_parts, parts_from_column, parts_from_names
from lightning_spx.data.image_data_module import ImageDataModule
from lightning_spx.data.image_folder import ImageFolderDataModule
from lightning_spx.data.labelled_images import ArrayImages, LabelledImages
from lightning_spx.data.object_masks import read_object_mask
from lightning_spx.data.removed_pixels import RemovedPixels
from lightning_spx.data.resize import resize_labels
from lightning_spx.data.split_file import load_splits, save_splits
from lightning_spx.data.split_plan import Split, labels_hash, make_split
from lightning_spx.data.splits import disjoint_parts, folds, grouped_draw, stratified_draw
from lightning_spx.data.synthetic import SyntheticBirdsDataModule
from lightning_spx.data.table import TableDataModule
from lightning_spx.data.unpaired import UnpairedDataModule

__all__ = [
    "ArrayImages",
    "Background",
    "BirdsDataModule",
    "CIFAR10DataModule",
    "ImageDataModule",
    "ImageFolderDataModule",
    "LabelledImages",
    "RemovedPixels",
    "Split",
    "SyntheticBirdsDataModule",
    "TableDataModule",
    "UnpairedDataModule",
    "disjoint_parts",
    "folds",
    "given_parts",
    "grouped_draw",
    "labels_hash",
    "load_splits",
    "make_split",
    "parts_from_column",
    "parts_from_names",
    "read_mask",
    "read_object_mask",
    "replace_background",
    "resize_labels",
    "save_splits",
    "stratified_draw",
]
