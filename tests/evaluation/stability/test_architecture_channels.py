"""Agreement between networks of one and of ten channels, on files and on data, and what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from lightning_spx.attribution import Gradient, input_gradient
from lightning_spx.evaluation import stability
from lightning_spx.evaluation.training.named_networks import NamedNetwork
from lightning_spx.models.image_model import Head
from lightning_spx.superpixels import Segmenter, Slic, Watershed, segment_pool
from tests.made_images import Findings, MadeImages, band_files, classifier, network
from tests.small_study import mean_ssim, quiet_trainer

pytestmark = pytest.mark.usefixtures("no_figures")
BANDS = [7, 0, 3]


def named(channels: int, head: Head | None = None) -> list[NamedNetwork]:
    return [
        NamedNetwork(network(channels, seed=seed), name=f"net{seed}", mean=(0.5,), std=(0.25,), head=head)
        for seed in range(2)
    ]


def study(
    out: Path,
    networks: list[NamedNetwork],
    data: MadeImages | None = None,
    images: list[str] | None = None,
    channels: int | None = None,
    to_rgb: list[int] | None = None,
    superpixels: tuple[Segmenter, ...] = (Slic(4), Watershed(markers=4)),
) -> Path:
    return stability(
        data or MadeImages(3),
        lambda: classifier(3),
        quiet_trainer,
        [Gradient()],
        list(superpixels),
        ["after"],
        ["l2"],
        models=networks,
        images=images,
        image_size=16,
        channels=channels,
        to_rgb=to_rgb,
        num_images=5,
        num_resamples=10,
        out=str(out),
    )


def gray_files(folder: Path) -> list[str]:
    folder.mkdir()
    for number, image in enumerate(MadeImages(1, num_test=5).arrays("test")):
        Image.fromarray(image[..., 0], "L").save(folder / f"{number}.png")
    return [str(folder)]


@pytest.mark.parametrize(("channels", "to_rgb"), [(1, None), (10, BANDS)])
def test_files_have_the_channels_of_the_first_network(channels: int, to_rgb: list[int] | None, tmp_path: Path) -> None:
    place = tmp_path / "files"
    files = gray_files(place) if channels == 1 else band_files(place, 5, channels)
    folder = study(tmp_path / "run", named(channels), images=files, to_rgb=to_rgb)
    pixels = MadeImages(channels, num_test=5).arrays("test")
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    colors = images[:, [0, 0, 0]] if to_rgb is None else images[:, to_rgb]
    assert np.array_equal(np.load(folder / "examples" / "Gradient.npz")["images"], colors)
    models = [network(channels, seed=seed).eval() for seed in range(2)]
    inputs = (images - 0.5) / 0.25
    with torch.no_grad():
        label = sum((model(inputs).softmax(1) for model in models), torch.zeros(())).argmax(1)
    results = pd.read_csv(folder / "results.csv").query(
        "metric == 'saliency_ssim' and pair == 'all' and condition == 'all'"
    )
    for name, ids in (("Slic", Slic(4)(images)), ("Watershed", Watershed(markers=4)(colors))):
        maps = [segment_pool(input_gradient(model, inputs, label), ids) for model in models]
        found = results.loc[results["superpixels"] == name, "value"].item()
        assert found == pytest.approx(mean_ssim(maps), abs=1e-4)


def test_images_of_data_have_their_own_channels(tmp_path: Path) -> None:
    folder = study(tmp_path / "run", named(10), MadeImages(10), superpixels=(Slic(4),))
    assert np.load(folder / "examples" / "Gradient.npz")["attributions"].shape[2] == 10


def test_what_does_not_fit_is_refused_before_there_is_a_folder(tmp_path: Path) -> None:
    out, ten = tmp_path / "run", MadeImages(10)
    with pytest.raises(ValueError, match="images of 3 channels for Sequential, got 10"):
        study(out, [*named(10), *named(3)], ten, superpixels=(Slic(4),))
    with pytest.raises(ValueError, match="for Watershed, got 10 channels: set `to_rgb`"):
        study(out, named(10), ten)
    with pytest.raises(ValueError, match="`images` with `channels` 10, got none"):
        study(out, named(10), ten, channels=10)
    with pytest.raises(ValueError, match="`head` multi_label of net0 for images with findings, got single_label"):
        study(out, named(3), Findings(3))
    with pytest.raises(ValueError, match="`head` single_label of net0 for images with classes, got multi_label"):
        study(out, named(3, "multi_label"), MadeImages(3))
    assert not out.exists()


def test_networks_of_findings_explain_those_of_the_data(tmp_path: Path) -> None:
    folder = study(tmp_path / "run", named(3, "multi_label"), Findings(3))
    settings = pd.read_csv(folder / "results.csv")["setting"].dropna()
    assert {"wing", "tail"} <= {word for setting in settings for word in setting.replace("=", " ").split()}
