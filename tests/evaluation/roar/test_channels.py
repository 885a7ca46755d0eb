"""ROAR on images with one and with ten channels, on a network with a normalization of its own, and its refusals."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning import LightningModule, Trainer
from scipy import ndimage
from torch import Tensor, nn

from lightning_spx.attribution import Gradient
from lightning_spx.data import ImageDataModule
from lightning_spx.evaluation.roar import roar
from lightning_spx.evaluation.roar.orders import Order, load_ranks
from lightning_spx.metrics import removal_ranks
from lightning_spx.models import ImageClassifier
from lightning_spx.runs.folder import RunFolder
from lightning_spx.superpixels import Segmenter, Watershed, segment_pool
from tests.made_images import Findings, MadeImages, checkpoint, classifier, images_and_labels, network
from tests.small_study import quiet_trainer

BANDS = [7, 0, 3]


class Plain(LightningModule):
    """A classifier of normalized images, as one is trained behind a loader that normalizes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = network(channels)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images)
        return logits


def run(
    out: Path,
    data: MadeImages,
    module: LightningModule,
    to_rgb: list[int] | None = None,
    file: str | None = None,
    superpixels: tuple[Segmenter, ...] = (Watershed(markers=4),),
    mean: float | None = None,
    std: float | None = None,
) -> Path:
    return roar(
        data,
        lambda: copy.deepcopy(module),
        quiet_trainer,
        [Gradient()],
        list(superpixels),
        percentages=[50],
        num_seeds=1,
        checkpoint=file,
        mean=None if mean is None else [mean],
        std=None if std is None else [std],
        to_rgb=to_rgb,
        batch_size=40,
        out=str(out),
    )


@pytest.mark.parametrize(("channels", "to_rgb"), [(1, None), (10, BANDS)])
def test_ranks_and_removed_pixels_are_those_of_all_channels(
    channels: int, to_rgb: list[int] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Tensor] = []

    def fit(_: Trainer, model: LightningModule, datamodule: ImageDataModule, ckpt_path: Path | None) -> None:
        seen.append(torch.cat([batch["image"] for batch in datamodule.test_dataloader()]))

    monkeypatch.setattr(Trainer, "fit", fit)
    data, module = MadeImages(channels, num_parts=1), Plain(channels)
    file = checkpoint(tmp_path / "plain.ckpt", module)
    folder = run(tmp_path / "run", data, module, to_rgb, file, mean=0.5, std=0.25)
    images, label = images_and_labels(data, list(range(8)))
    color = np.load(folder / "ranks" / "mean.npy")
    assert np.allclose(color, data.arrays("pool").mean((0, 1, 2)) / 255, atol=1e-6)
    assert color.shape == (channels,)

    class Normalized(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            logits: Tensor = module.layers((inputs - 0.5) / 0.25)
            return logits

    attribution = Gradient().attribute(Normalized().eval(), images, label)
    colors = images[:, [0, 0, 0]] if to_rgb is None else images[:, to_rgb]
    ids = Watershed(markers=4)(colors)
    gray = images.double().mean(1).numpy()
    edges = np.stack([np.hypot(*(ndimage.sobel(each, axis, mode="nearest") for axis in (0, 1))) for each in gray])
    maps = {
        Order("Gradient", "pixel", "either"): attribution.abs().sum(1),
        Order("Gradient", "Watershed", "after"): segment_pool(attribution, ids).abs().sum(1),
        Order("sobel", "pixel", "either"): torch.from_numpy(edges.astype(np.float32)),
    }
    run_folder = RunFolder(folder, {})
    for order, scores in maps.items():
        found = load_ranks(run_folder, order)[24:]
        # another batch may differ in the last bit, and so may the order of two pixels
        assert (found == removal_ranks(scores, images).numpy()).mean() > 0.95
    # the training on the untouched images comes first, that on images without their chance half second
    assert torch.equal(seen[0], images)
    gone = torch.from_numpy(load_ranks(run_folder, Order("random", "pixel", "either"))[24:].astype(np.int64)) < 128
    mean = torch.from_numpy(color).float()[:, None, None].expand_as(images)
    assert torch.equal(seen[1], mean.where(gone[:, None], images))


@pytest.mark.usefixtures("no_training")
def test_what_cannot_be_retrained_is_refused_before_any_training(tmp_path: Path) -> None:
    out, ten = tmp_path / "run", MadeImages(10)
    binary = ImageClassifier(network(10, num_outputs=1), mean=(0.5,), std=(0.25,))
    findings = ImageClassifier(network(1), mean=(0.5,), std=(0.25,), head="multi_label")
    with pytest.raises(ValueError, match="which accuracy after retraining needs, got the findings wing, tail"):
        run(out, Findings(1), findings)
    with pytest.raises(ValueError, match=r"`head` single_label for .* got multi_label"):
        run(out, MadeImages(1), findings)
    with pytest.raises(ValueError, match="got one output for each image"):
        run(out, ten, binary, superpixels=())
    with pytest.raises(ValueError, match="for Watershed, got 10 channels: set `to_rgb`"):
        run(out, ten, classifier(10))
    with pytest.raises(ValueError, match="images of 3 channels for Sequential, got 10"):
        run(out, ten, classifier(3), superpixels=())
    with pytest.raises(ValueError, match="`mean`, `std` and `preprocess` with `checkpoints`"):
        run(out, ten, Plain(10), superpixels=(), mean=0.5, std=0.25)
    assert not out.exists()
