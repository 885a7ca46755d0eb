"""Explanations of photos: the arrays are the library's, the pictures are there, and bad words are refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from lightning_spx.attribution import Gradient, InputXGradient, input_gradient, saliency_map
from lightning_spx.cli import main
from lightning_spx.evaluation.commands.explain import Layout, explain_images
from lightning_spx.evaluation.training.named_networks import NamedNetwork
from lightning_spx.models import ImageClassifier, SmallResNet
from lightning_spx.models.normalize import IMAGENET_MEAN, IMAGENET_STD
from lightning_spx.superpixels import Grid, JointBilateral, segment_pool
from tests.command_line import Captured, refusal
from tests.data.test_photos import photo
from tests.evaluation.training.test_named_networks import of_python
from tests.filters import Fading
from tests.pictures import drawn


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["spx"])


def network() -> SmallResNet:
    torch.manual_seed(0)
    return SmallResNet(num_classes=3, width=4)


def test_the_arrays_are_those_of_the_library(photos: list[str]) -> None:
    methods = [Gradient(), InputXGradient()]
    with drawn():
        folder = explain_images(photos, methods, [Grid(9)], model=network, image_size=16, batch_size=2)
    module = ImageClassifier(network()).eval()
    images = torch.stack([torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1) / 255 for path in photos])
    with torch.no_grad():
        logits = module(images)
    target = logits.argmax(1)
    gradient = input_gradient(module, images, target)
    segments = Grid(9)(images)
    for number in range(7):
        arrays = np.load(folder / f"{number}.npz", allow_pickle=False)
        assert np.array_equal(arrays["image"], images[number])
        assert arrays["target"] == target[number]
        assert arrays["probability"] == pytest.approx(float(logits.softmax(1)[number].max()), abs=1e-5)
        assert np.array_equal(arrays["segments/Grid"], segments[number])
        for name, attribution in (("Gradient", gradient), ("InputXGradient", gradient * images)):
            one = attribution[number : number + 1]
            assert np.allclose(arrays[f"attribution/{name}"], one[0], atol=1e-6)
            assert np.allclose(arrays[f"pixel/{name}"], saliency_map(one)[0], atol=1e-4)
            pooled = saliency_map(segment_pool(one, segments[number : number + 1]))[0]
            assert np.allclose(arrays[f"pooled/{name}/Grid"], pooled, atol=1e-4)
        assert Image.open(folder / f"{number}.png").size[0] > 500


@pytest.mark.parametrize("layout", ["photos", "methods", "models"])
def test_filters_give_pooled_maps_and_pictures_without_borders(photos: list[str], layout: Layout) -> None:
    filters = [JointBilateral(), Fading(), Grid(9)]
    with drawn():
        folder = explain_images(
            photos[:3],
            [Gradient()],
            filters,
            model=network,
            image_size=16,
            batch_size=2,
            magnitude="before",
            layout=layout,
        )
    for number in range(3):
        arrays = np.load(folder / f"{number}.npz", allow_pickle=False)
        assert [name for name in arrays.files if name.startswith("segments/")] == ["segments/Grid"]
        image = torch.from_numpy(arrays["image"])[None]
        attribution = torch.from_numpy(arrays["attribution/Gradient"])[None].abs()
        for smoothing in filters[:2]:
            expected = saliency_map(smoothing.pool(attribution, image))[0]
            assert np.allclose(arrays[f"pooled/Gradient/{type(smoothing).__name__}"], expected, atol=1e-4)
    assert list(folder.glob("*.png"))


def test_a_target_is_explained_for_every_photo(photos: list[str]) -> None:
    Path("names.txt").write_text("owl\njay\ntit\n")
    folder = explain_images(
        photos[:2], [Gradient()], [Grid(9)], model=network, target="tit", classes="names.txt", image_size=16
    )
    assert [int(np.load(folder / f"{number}.npz")["target"]) for number in (0, 1)] == [2, 2]


GREY = 0.17  # of the photos, normalized


class OneOutput(nn.Module):
    """Says how bright an image is in its upper half, as a logit or as a probability."""

    def __init__(self, last: nn.Module) -> None:
        super().__init__()
        self.last = last

    def forward(self, images: Tensor) -> Tensor:
        answer: Tensor = self.last((images[:, :, :8].mean((1, 2, 3))[:, None] - GREY) * 30)
        return answer


@pytest.mark.parametrize("last", [nn.Identity(), nn.Sigmoid()])
def test_probability_and_map_of_one_output_are_those_of_the_class_that_is_named(
    last: nn.Module, photos: list[str]
) -> None:
    def found(target: str | None) -> list[dict[str, Any]]:
        folder = explain_images(
            photos, [Gradient()], [Grid(9)], model=lambda: OneOutput(last), target=target, image_size=16
        )
        return [dict(np.load(folder / f"{number}.npz")) for number in range(7)]

    for own, zero, one in zip(found(None), found("0"), found("1"), strict=True):
        assert float(zero["probability"]) + float(one["probability"]) == pytest.approx(1)
        assert own["probability"] == max(zero["probability"], one["probability"])
        named = zero if own["target"] == 0 else one
        assert np.array_equal(own["attribution/Gradient"], named["attribution/Gradient"])
        assert np.allclose(zero["attribution/Gradient"], -one["attribution/Gradient"], atol=1e-7)
        assert one["attribution/Gradient"].sum() > 0
        mean, std = (np.array(each)[:, None, None] for each in (IMAGENET_MEAN, IMAGENET_STD))
        z = 30 * (float(((own["image"] - mean) / std)[:, :8].mean()) - GREY)
        assert one["probability"] == pytest.approx(1 / (1 + np.exp(-z)), abs=1e-5)


def test_the_same_command_writes_to_the_same_place_and_another_does_not(photos: list[str]) -> None:
    def run(target: str) -> Path:
        return explain_images(photos[:1], [Gradient()], [Grid(9)], model=network, target=target, image_size=16)

    first = run("0")
    before = (first / "0.npz").stat().st_size
    assert run("0") == first
    assert (first / "0.npz").stat().st_size == before
    assert run("1") != first


@pytest.mark.parametrize(("layout", "names"), [("methods", ["methods_SmallResNet"]), ("models", ["models_Gradient"])])
def test_layouts_draw_pages_of_five_photos(layout: str, names: list[str], photos: list[str]) -> None:
    words = [
        *("explain", *photos, "--model=SmallResNet", "--model.num_classes=3", "--model.width=4"),
        *("--image_size=16", "--methods=[Gradient]", "--superpixels=[Grid]", f"--layout={layout}", "--out=out"),
        "--formats=[png,pdf,svg]",
    ]
    with drawn():
        main(words)
    pictures = sorted(path.stem for path in Path("out").glob("*.png"))
    assert pictures == [f"{name}_page{page:02d}" for name in names for page in (1, 2)]
    assert len(list(Path("out").glob("*.pdf"))) == len(list(Path("out").glob("*.svg"))) == 2
    assert len(list(Path("out").glob("*.npz"))) == 7


def test_several_models_have_files_of_their_own(photos: list[str]) -> None:
    path, module = of_python()
    other = NamedNetwork(SmallResNet(num_classes=2, width=4), name="other/net")
    folder = explain_images(
        photos[:1],
        [Gradient()],
        [Grid(9)],
        checkpoints=[str(path)],
        model=lambda: SmallResNet(num_classes=2, width=4),
        networks=[other],
        image_size=16,
    )
    found = sorted(file.stem for file in folder.glob("*.npz"))
    assert found[0].startswith("0_other_net-")
    assert found[1] == "0_python"
    image = torch.from_numpy(np.load(folder / "0_python.npz")["image"])[None]
    with torch.no_grad():
        expected = module(image).softmax(1).max()
    assert np.load(folder / "0_python.npz")["probability"] == pytest.approx(float(expected), abs=1e-5)


def test_hostile_names_are_drawn_as_text_and_name_plain_files() -> None:
    path = photo(Path("photos") / "$x_1$ <script>.png", (16, 16))
    Path("names.txt").write_text("$\\frac$\n<b>\n%s\n")
    settings: dict[str, Any] = {"model": network, "classes": "names.txt", "image_size": 16}
    with drawn():
        folder = explain_images([str(path)], [Gradient()], [Grid(9)], **settings)
    (picture,) = folder.glob("*.png")
    assert picture.stem.startswith("_x_1___script_")


def test_bad_words_end_with_one_line(capsys: Captured, photos: list[str]) -> None:
    net = ["--model=SmallResNet", "--model.num_classes=3", "--image_size=16"]
    assert "found nothing at nowhere.png" in refusal(capsys, ["explain", "nowhere.png", *net])
    assert "Expected a model: `model` with `weights`" in refusal(capsys, ["explain", photos[0]])
    assert "Expected a checkpoint at nowhere.ckpt" in refusal(
        capsys, ["explain", photos[0], "--checkpoints=[nowhere.ckpt]"]
    )
    assert "Expected `target` to be a class, 0 to 2" in refusal(capsys, ["explain", photos[0], *net, "--target=eagle"])
    Path("names.txt").write_text("owl\n")
    line = refusal(capsys, ["explain", photos[0], *net, "--classes=names.txt"])
    assert "Expected `classes` to name the 3 classes of SmallResNet, got 1 names" in line
    assert "`batch_size` to be at least 1" in refusal(capsys, ["explain", photos[0], *net, "--batch_size=0"])
    assert "at least one each" in refusal(capsys, ["explain", photos[0], *net, "--methods=[]"])


def test_masks_replace_the_background_or_paint_the_maps(photos: list[str]) -> None:
    Path("masks").mkdir()
    mask = np.zeros((16, 16), bool)
    mask[4:12, 4:12] = True
    for path in photos:
        Image.fromarray(mask.astype(np.uint8) * 255).save(Path("masks", Path(path).name))
    settings: dict[str, Any] = {"model": network, "image_size": 16, "masks": "masks"}
    black = explain_images(photos, [Gradient()], [Grid(9)], **settings, background="black", out="black")
    kept = explain_images(photos, [Gradient()], [Grid(9)], **settings, paint_outside=True, out="kept")
    for number in range(7):
        photo_of = torch.from_numpy(np.array(Image.open(photos[number]))).permute(2, 0, 1) / 255
        one, other = (np.load(folder / f"{number}.npz") for folder in (black, kept))
        assert np.array_equal(one["image"], np.where(mask, photo_of, 0))
        assert (one["pixel/Gradient"][~mask] > 0).any()  # nothing is painted over
        assert np.array_equal(other["image"], photo_of)
        assert not other["pixel/Gradient"][~mask].any()
        assert not other["pooled/Gradient/Grid"][~mask].any()
        assert (other["pixel/Gradient"][mask] > 0).any()


def test_masks_that_do_not_fit_are_refused(photos: list[str], capsys: Captured) -> None:
    words = ["explain", *photos, "--model=SmallResNet", "--methods=[Gradient]", "--image_size=16"]
    assert "Expected `masks` for `background` black" in refusal(capsys, [*words, "--background=black"])
    Path("masks").mkdir()
    assert "Expected a mask at masks/0.png" in refusal(capsys, [*words, "--masks=masks"])
    Image.fromarray(np.zeros((4, 5), np.uint8)).save("masks/0.png")
    assert "the size of its photo, 16 x 16, got 5 x 4" in refusal(capsys, [*words, "--masks=masks"])
