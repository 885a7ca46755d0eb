"""A trade-off of images with one and with ten channels, and what is refused before any training."""

import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lightning import LightningModule

from lightning_spx.attribution import Gradient, saliency_map
from lightning_spx.evaluation.commands.report import report
from lightning_spx.evaluation.tradeoff import tradeoff
from lightning_spx.evaluation.training.named_networks import NamedNetwork
from lightning_spx.metrics import ROAD, deletion
from lightning_spx.models import ImageClassifier
from lightning_spx.models.image_model import Head
from lightning_spx.reporting.rows import of_condition
from lightning_spx.superpixels import Segmenter, Slic, Watershed, segment_pool
from tests.made_images import Findings, MadeImages, band_files, checkpoint, classifier, images_and_labels, network
from tests.small_study import mean_ssim, quiet_trainer

NUM_IMAGES = 4
BANDS = [7, 0, 3]


def run(
    out: Path,
    data: MadeImages,
    model: LightningModule,
    checkpoints: list[str] | None = None,
    to_rgb: list[int] | None = None,
    superpixels: tuple[Segmenter, ...] = (Slic(4), Watershed(markers=4)),
    head: Head | None = None,
    networks: list[NamedNetwork] | None = None,
    images: list[str] | None = None,
    channels: int | None = None,
) -> Path:
    return tradeoff(
        data,
        lambda: copy.deepcopy(model),
        quiet_trainer,
        [Gradient()],
        list(superpixels),
        ["after"],
        images=images,
        image_size=16,
        channels=channels,
        to_rgb=to_rgb,
        checkpoints=checkpoints,
        head=head,
        networks=networks,
        num_images=NUM_IMAGES,
        num_steps=2,
        substrates=["blur"],
        fractions=[0.5],
        num_resamples=10,
        out=str(out),
    )


@pytest.mark.parametrize(("channels", "to_rgb"), [(1, None), (10, BANDS)])
def test_numbers_and_pictures_are_those_of_all_channels(
    channels: int, to_rgb: list[int] | None, tmp_path: Path
) -> None:
    data, models = MadeImages(channels), [classifier(channels, seed) for seed in range(2)]
    files = [checkpoint(tmp_path / f"{number}.ckpt", each) for number, each in enumerate(models)]
    folder = run(tmp_path / "run", data, classifier(channels), files, to_rgb)
    index = pd.read_parquet(folder / "per_image" / "stability_Gradient.parquet")["index"].unique().tolist()
    images, label = images_and_labels(data, index)
    assert images.shape[1] == channels
    colors = images[:, [0, 0, 0]] if to_rgb is None else images[:, to_rgb]
    segments = {"Slic": Slic(4)(images), "Watershed": Watershed(markers=4)(colors)}
    results = pd.read_csv(folder / "results.csv").fillna({"setting": ""})
    for name, ids in segments.items():
        roads, areas, maps = [], [], []
        for each in models:
            pooled = segment_pool(Gradient().attribute(each.eval(), images, label), ids)
            maps.append(pooled)
            sizes = pooled.abs().sum(1)
            metric = ROAD(fractions=[0.5])
            metric.update(each, images, label, sizes)
            roads.append(metric.compute().item())
            areas.append(deletion(each, images, label, sizes, 2, "blur").mean().item())
        found = of_condition(results[results["superpixels"] == name]).set_index(["metric", "setting"])["value"]
        assert found["road", "order=combined"] == pytest.approx(np.mean(roads), abs=1e-6)
        assert found["deletion", "substrate=blur"] == pytest.approx(np.mean(areas), abs=1e-6)
        assert found["saliency_ssim", ""] == pytest.approx(mean_ssim(maps), abs=1e-5)
        assert saliency_map(maps[0]).shape == (NUM_IMAGES, 16, 16)
    kept = np.load(folder / "examples" / "Gradient.npz")
    assert np.array_equal(kept["images"], colors)
    assert kept["attributions"].shape[2] == channels
    assert report(str(folder)).is_file()


def test_photos_have_the_channels_of_the_first_network(tmp_path: Path) -> None:
    networks = [NamedNetwork(network(10, seed=seed), name=f"net{seed}", mean=(0.0,), std=(1.0,)) for seed in range(2)]
    photos = band_files(tmp_path / "bands", 5, channels=10)
    folder = run(
        tmp_path / "run", MadeImages(3), classifier(3), networks=networks, images=photos, superpixels=(Slic(4),)
    )
    images = np.load(folder / "examples" / "Gradient.npz")["images"]
    kept = np.stack([np.load(tmp_path / "bands" / f"{number}.npy") for number in range(NUM_IMAGES)])
    assert np.allclose(images, kept.mean(3)[:, None].repeat(3, 1) / 255, atol=1e-6)
    with pytest.raises(ValueError, match="images of 10 channels for Sequential, got 1"):
        run(
            tmp_path / "no", MadeImages(3), classifier(3), networks=networks, channels=1,
            images=[str(gray(tmp_path)), str(gray(tmp_path)), *(str(gray(tmp_path, each)) for each in range(4))],
        )  # fmt: skip
    with pytest.raises(ValueError, match="`images` with `channels` 1, got none"):
        run(tmp_path / "no", MadeImages(3), classifier(3), channels=1)


def gray(folder: Path, number: int = 0) -> Path:
    from PIL import Image

    Image.new("L", (16, 16), 40 * number).save(folder / f"{number}.png")
    return folder / f"{number}.png"


@pytest.mark.usefixtures("no_training")
def test_what_has_no_classes_or_other_channels_is_refused_before_any_training(tmp_path: Path) -> None:
    out, ten = tmp_path / "run", MadeImages(10)
    findings = ImageClassifier(network(1), mean=(0.5,), std=(0.25,), head="multi_label")
    binary = ImageClassifier(network(10, num_outputs=1), mean=(0.5,), std=(0.25,))
    with pytest.raises(ValueError, match="made with one class each, which fidelity needs, got the findings wing, tail"):
        run(out, Findings(1), findings, superpixels=(Slic(4),))
    with pytest.raises(ValueError, match=r"`head` single_label for Sequential, as fidelity needs .* got multi_label"):
        run(out, MadeImages(1), findings)
    with pytest.raises(ValueError, match=r"`head` single_label for .* got scalar"):
        run(out, MadeImages(1), classifier(1), head="scalar")
    with pytest.raises(ValueError, match="which fidelity needs, got one output for each image"):
        run(out, ten, binary, superpixels=(Slic(4),))
    with pytest.raises(ValueError, match=r"RGB images .* for Watershed, got 10 channels: set `to_rgb`"):
        run(out, ten, classifier(10))
    with pytest.raises(ValueError, match="three band numbers from 0 to 9, got"):
        run(out, ten, classifier(10), to_rgb=[0, 1, 10])
    with pytest.raises(ValueError, match="images of 3 channels for Sequential, got 10"):
        run(out, ten, classifier(3), superpixels=(Slic(4),))
    assert not out.exists()
