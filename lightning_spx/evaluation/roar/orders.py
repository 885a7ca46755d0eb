"""Ranks pixels for removal: at random, by Sobel edges, and by the methods' maps, pooled maps and controls."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from uuid import uuid4

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor
from torch.nn.functional import conv2d, pad

from lightning_spx.attribution import Attribution, magnitude
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.data import ImageDataModule
from lightning_spx.evaluation.maps.colors import ToRgb
from lightning_spx.evaluation.maps.guides import guide_images
from lightning_spx.evaluation.maps.pooling_lists import control_kinds, orders_of, pixel_pooling, with_controls
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.metrics import removal_ranks
from lightning_spx.models.image_model import ImageModel
from lightning_spx.reporting.rows import EITHER, PIXEL, control_name
from lightning_spx.runs.files import file_name, named_when_full, write_atomic
from lightning_spx.runs.folder import RunFolder
from lightning_spx.runs.processes import is_writer, wait_for_all
from lightning_spx.runs.reading import read_array
from lightning_spx.runs.record import ADVICE
from lightning_spx.superpixels import ImagePooling

RANDOM, SOBEL = "random", "sobel"


@dataclass(frozen=True)
class Order:
    """One way of ordering the pixels of all images.

    Args:
        method: name of a method, `random` or `sobel`.
        superpixels: entry in the column `superpixels` of the results.
        magnitude: entry in the column `magnitude` of the results.
    """

    method: str
    superpixels: str
    magnitude: str

    @property
    def name(self) -> str:
        """Return a unique name that is valid in file names."""
        return file_name(f"{self.method}_{self.superpixels}_{self.magnitude}")

    def path(self, run: RunFolder) -> Path:
        """Return the file in which a run keeps the ranks of all images."""
        return run.path / "ranks" / f"{self.name}.npy"


def list_orders(
    methods: Mapping[str, Attribution], superpixels: Mapping[str, ImagePooling], order: Magnitude
) -> list[Order]:
    """List the baselines, then for each method the pixel map, each S- map and its controls."""
    orders = [Order(RANDOM, PIXEL, EITHER), Order(SOBEL, PIXEL, EITHER)]
    names = [PIXEL]
    for name, pooling in superpixels.items():
        names += [name, *(control_name(kind, name) for kind in control_kinds(pooling))]
    for method, settings in methods.items():
        for name in names:
            orders += [Order(method, name, own) for own in orders_of(name, [order], settings.non_negative)]
    return orders


@dataclass(frozen=True)
class ModifiedImages:
    """The images whose pixels are removed: those a model trains and validates on, then the test images.

    Args:
        pool: positions in the training pool of the images for training and validation.
        num_test: number of test images.
    """

    pool: NDArray[np.int64]
    num_test: int

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.pool) + self.num_test

    def read(self, data: ImageDataModule, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return images (n, C, H, W) and labels (n,) of some rows."""
        items = [
            data.pool()[int(self.pool[row])] if row < len(self.pool) else data.test()[int(row) - len(self.pool)]
            for row in rows
        ]
        return torch.stack([item["image"] for item in items]), torch.stack([item["label"] for item in items])


@dataclass(frozen=True)
class RankingSettings:
    """How pixels are ranked.

    Args:
        methods: attribution methods by their names in tables.
        superpixels: segmenters and filters by their names in tables.
        batch_size: number of images ranked at a time.
        seed: seeds the random order, ties and controls.
        to_rgb: what segmenters of RGB get; None takes RGB and gray as they are.
    """

    methods: Mapping[str, Attribution]
    superpixels: Mapping[str, ImagePooling]
    batch_size: int
    seed: int
    to_rgb: ToRgb | None = None


def rank_images(
    run: RunFolder,
    data: ImageDataModule,
    images: ModifiedImages,
    model: ImageModel,
    orders: list[Order],
    settings: RankingSettings,
) -> None:
    """Write the ranks of all images for every order that has no file yet, a batch at a time.

    The model explains each image's label; gradients are computed once for each method.

    Args:
        run: receives `ranks/`.
        data: the study's data.
        images: the images whose pixels are ranked.
        model: the model to explain, in evaluation mode and on its device.
        orders: orders as `list_orders` gives them.
        settings: how pixels are ranked.
    """
    missing = [order for order in orders if not order.path(run).is_file()]
    if not missing or not is_writer():
        return
    size = data.image_size
    kind = np.uint16 if size**2 <= np.iinfo(np.uint16).max + 1 else np.uint32
    # several jobs of an array may find no ranks and write the same ones: each writes a file of its own and renames it
    process = uuid4().hex
    parts = {order: order.path(run).with_name(f".{order.name}.{process}.part.npy") for order in missing}
    (run.path / "ranks").mkdir(parents=True, exist_ok=True)
    files = {}
    for order, path in parts.items():
        with named_when_full(order.path(run)):
            files[order] = np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=(len(images), size, size))
            reserve(path)
    permutation = derangement(len(images), settings.seed)
    for start in track(range(0, len(images), settings.batch_size), "rank pixels", transient=True):
        rows = np.arange(start, min(start + settings.batch_size, len(images)))
        photos, labels = images.read(data, rows)
        scores = _baselines(photos)
        poolings = _poolings(data, images, photos, rows, permutation, settings)
        for name, method in settings.methods.items():
            if any(order.method == name for order in missing):
                given = photos.to(model.device), labels.to(model.device)
                attribution = method.attribute(model, *given).cpu()
                for order in [order for order in missing if order.method == name]:
                    scores[order] = magnitude(poolings[order.superpixels].pool(attribution, order.magnitude))
        for order in missing:
            files[order][rows] = removal_ranks(scores[order], photos, settings.seed).numpy()
    for order, path in parts.items():
        files[order].flush()
        with path.open("rb") as handle:
            os.fsync(handle.fileno())
        path.replace(order.path(run))


def reserve(path: Path) -> None:
    """Reserve room on the disk for all bytes of a file, because a mapped file on a full disk ends the process."""
    # macOS has no such call
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as handle:
            os.posix_fallocate(handle.fileno(), 0, path.stat().st_size)


def _baselines(photos: Tensor) -> dict[Order, Tensor]:
    # equal scores are ranked at random, so zeros give a random order
    nothing = torch.zeros(len(photos), *photos.shape[2:])
    return {Order(RANDOM, PIXEL, EITHER): nothing, Order(SOBEL, PIXEL, EITHER): sobel(photos)}


def sobel(photos: Tensor) -> Tensor:
    """Return the strength of edges in the gray image, (N, H, W).

    Example:
        >>> step = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(1, 3, 4, 4)
        >>> sobel(step)[0, 1]
        tensor([0., 4., 4., 0.])
    """
    across = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
    gray = pad(photos.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    edges: Tensor = conv2d(gray, torch.stack([across, across.T])[:, None])
    return edges.square().sum(1).sqrt()


def _poolings(
    data: ImageDataModule,
    images: ModifiedImages,
    photos: Tensor,
    rows: NDArray[np.int64],
    permutation: NDArray[np.int64],
    settings: RankingSettings,
) -> dict[str, Pooling]:
    """Return the poolings of a batch by name; images that lend segments or guide filters may be outside of it."""
    poolings = [pixel_pooling(photos[:, 0])]
    if settings.superpixels:
        lenders, _ = images.read(data, permutation[rows])
        index = torch.from_numpy(rows)
        own, borrowed = (
            guide_images(settings.superpixels, each, len(each), each.device, to_rgb=settings.to_rgb)
            for each in (photos, lenders)
        )
        for name in settings.superpixels:
            poolings += with_controls(name, own[name], borrowed[name], index, settings.seed)
    return {pooling.name: pooling for pooling in poolings}


def load_ranks(run: RunFolder, order: Order) -> NDArray[np.integer]:
    """Map the file with the ranks of all images, `(N, H, W)`, into memory.

    Raises:
        ValueError: the file is damaged; the error names it.
    """
    path = order.path(run)
    ranks = read_array(path, mapped=True)
    if ranks.ndim != 3 or not np.issubdtype(ranks.dtype, np.integer):
        raise ValueError(f"Expected ranks of pixels in {path}, got {ranks.dtype} of shape {ranks.shape}. {ADVICE}")
    return cast("NDArray[np.integer]", ranks)


def mean_color(run: RunFolder, data: ImageDataModule, pool: NDArray[np.int64]) -> tuple[float, ...]:
    """Return the mean color of the training images, a number for each channel.

    It is computed once and kept in the run folder.
    """
    path = run.path / "ranks" / "mean.npy"
    channels = len(data.pool()[int(pool[0])]["image"])
    if not path.is_file() and is_writer():
        total = torch.zeros(channels, dtype=torch.float64)
        for index in track(pool.tolist(), "mean color", transient=True):
            total += data.pool()[index]["image"].double().mean((1, 2))
        mean = (total / len(pool)).numpy()

        def write(part: Path) -> None:
            np.save(part, mean, allow_pickle=False)

        write_atomic(path, write)
    wait_for_all()
    found = read_array(path)
    if found.shape != (channels,) or found.dtype != np.float64:
        raise ValueError(f"Expected a mean color in {path}, got {found.dtype} of shape {found.shape}. {ADVICE}")
    return tuple(found.tolist())
