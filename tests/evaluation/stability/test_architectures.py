"""Agreement between networks that a user names: one grid, every pair, what is explained and what is refused."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from lightning_spx.attribution import Gradient, input_gradient, saliency_map
from lightning_spx.cli import main
from lightning_spx.evaluation.stability.architectures import check_outputs
from lightning_spx.evaluation.training.named_networks import SAME_PHOTOS, NamedNetwork
from lightning_spx.metrics import saliency_ssim
from lightning_spx.models import SmallResNet
from lightning_spx.models.at_size import AtSize
from lightning_spx.superpixels import Grid
from tests.command_line import Captured, refusal
from tests.pictures import drawn
from tests.small_study import birds, classifier, quiet_trainer

SIZES = (16, 24, 32)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["spx"])


@pytest.fixture
def photos() -> list[str]:
    generator = np.random.default_rng(0)
    Path("photos").mkdir()
    for number in range(6):
        coarse = Image.fromarray(generator.integers(0, 256, (5, 6, 3), dtype=np.uint8))
        coarse.resize((48, 40), Image.Resampling.BICUBIC).save(f"photos/{number}.png")
    return ["photos"]


def network(seed: int, num_classes: int = 3) -> SmallResNet:
    torch.manual_seed(seed)
    return SmallResNet(num_classes=num_classes, width=4)


def named() -> list[NamedNetwork]:
    return [NamedNetwork(network(size), None, f"net{size}", image_size=size) for size in SIZES]


def study(networks: list[NamedNetwork], photos: list[str] | None, out: str = "run") -> Path:
    from lightning_spx.evaluation import stability

    return stability(
        birds(),
        classifier,
        quiet_trainer,
        [Gradient()],
        [Grid(16)],
        ["after"],
        ["l2"],
        models=networks,
        images=photos,
        num_images=6,
        num_resamples=20,
        batch_size=4,
        out=out,
    )


def test_each_pair_has_its_rows_and_the_values_are_those_of_a_loop(photos: list[str]) -> None:
    with drawn():
        folder = study(named(), photos)
    results = pd.read_csv(folder / "results.csv")
    examples = np.load(folder / "examples" / "Gradient.npz")
    images = torch.from_numpy(examples["images"])
    assert images.shape == (6, 3, 32, 32)  # the grid of the largest network
    models = [each.build().eval() for each in named()]
    with torch.no_grad():
        label = sum((model(images).softmax(1) for model in models), torch.zeros(())).argmax(1)
    maps = [saliency_map(input_gradient(model, images, label)) for model in models]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        where = f"pair == '{first}-{second}' and superpixels == 'pixel' and metric == 'saliency_ssim'"
        row = results.query(where).iloc[0]
        assert row["value"] == pytest.approx(float(saliency_ssim(maps[first], maps[second]).mean()), abs=1e-4)
        assert {"floor", "excess"} <= set(row.dropna().index)
    assert results["superpixels"].str.startswith("control:").any()
    assert (folder / "figures" / "pairs_saliency_ssim.png").is_file()
    assert SAME_PHOTOS in json.loads((folder / "verdicts.json").read_text())["notes"]
    assert json.loads((folder / "run.json").read_text())["names"] == ["net16", "net24", "net32"]


def test_a_network_of_another_size_is_explained_on_the_grid() -> None:
    torch.manual_seed(0)
    linear = nn.Linear(3 * 8 * 8, 2)
    images = torch.rand(2, 3, 16, 16)
    gradient = input_gradient(AtSize(nn.Sequential(nn.Flatten(), linear), 8), images, torch.zeros(2, dtype=torch.long))
    # the chain rule by hand: the gradient at the small image, through the transpose of the resizing
    small = linear.weight[0].reshape(3, 8, 8).expand(2, -1, -1, -1)
    basis = torch.eye(256).reshape(256, 1, 16, 16).expand(-1, 3, -1, -1)
    resized = AtSize(nn.Identity(), 8)(basis)[:, 0].reshape(256, 64)
    by_hand = (small.reshape(6, 64) @ resized.T).reshape(2, 3, 16, 16)
    assert torch.allclose(gradient, by_hand, atol=1e-6)


def test_the_accuracy_of_each_network_on_labelled_data_is_said_and_kept(capsys: pytest.CaptureFixture[str]) -> None:
    networks = [NamedNetwork(network(seed, num_classes=2), None, f"net{seed}") for seed in range(2)]
    folder = study(networks, None, "accuracies")
    printed = capsys.readouterr().out
    known = json.loads((folder / "run.json").read_text())["models"]
    test = birds().test()
    images = torch.stack([test[number]["image"] for number in range(len(test))])
    label = torch.tensor([int(test[number]["label"]) for number in range(len(test))])
    for each in networks:
        with torch.no_grad():
            right = float((each.build().eval()(images).argmax(1) == label).float().mean())
        assert known[each.name]["test_accuracy"] == pytest.approx(right)
        assert known[each.name]["chance"] == pytest.approx(float(label.bincount().max()) / len(label))
        assert f"{each.name}: test accuracy {right:.1%}".replace("%", " %") in printed


def test_images_of_a_data_module_keep_their_labels_and_masks() -> None:
    networks = [NamedNetwork(network(seed, num_classes=2), None, f"net{seed}") for seed in range(2)]
    folder = study(networks, None)
    results = pd.read_csv(folder / "results.csv")
    assert {"mass_accuracy", "pointing_game", "mask_auc", "mask_auprc"} <= set(results["metric"])


def test_a_second_start_does_nothing_again_and_other_weights_are_refused(photos: list[str]) -> None:
    folder = study(named(), photos)
    times = {path: path.stat().st_mtime_ns for path in folder.glob("per_image/*")}
    study(named(), photos)
    assert {path: path.stat().st_mtime_ns for path in folder.glob("per_image/*")} == times
    other = [*named()[:2], NamedNetwork(network(99), None, "net32", image_size=32)]
    with pytest.raises(ValueError, match="Expected the weights of the run"):
        study(other, photos)


class OfOneSize(nn.Module):
    """As a vision transformer takes images of one size only."""

    def forward(self, images: Tensor) -> Tensor:
        assert images.shape[-1] == 14, f"Input height ({images.shape[-1]}) doesn't match model (14)."
        return images.flatten(1)[:, :3]


def test_networks_that_do_not_fit_are_refused_in_a_line(photos: list[str]) -> None:
    with pytest.raises(
        ValueError, match=r"vit to take images of its `image_size` \(by default 32\), got AssertionError: Input "
    ):
        study([*named(), NamedNetwork(OfOneSize(), None, "vit")], photos)
    with pytest.raises(ValueError, match="same classes apart, got 3 of net16, 3 of net24, 3 of net32, 5 of five"):
        study([*named(), NamedNetwork(network(0, num_classes=5), None, "five")], photos)
    with pytest.raises(ValueError, match="`models` with the 2 classes of the data, got"):
        study(named(), None)
    with pytest.raises(ValueError, match="at least 2 `models` to compare, got 1"):
        study(named()[:1], photos)
    with pytest.raises(ValueError, match=r"one to return logits of shape \(N, K\), got shape"):
        check_outputs({"one": nn.Flatten(0)}, torch.rand(1, 3, 4, 4), 0)
    assert not Path("run").exists()


def test_the_command_takes_networks_by_import_path(photos: list[str], capsys: Captured) -> None:
    words = ["stability", "--images=[photos]", "--methods=[Gradient]", "--distances=[l2]", "--num_resamples=20"]
    words += ["--trainer.accelerator=cpu", "--num_images=6"]
    each = "{network: {class_path: SmallResNet, init_args: {num_classes: 3, width: 4}}, image_size: 16, name: N}"
    main([*words, f"--models=[{each.replace('N}', 'one}')},{each.replace('N}', 'two}')}]", "--out=run"])
    assert "agreement is one between" in capsys.readouterr().out.replace("\n", " ")
    assert "`models` without `checkpoints`" in refusal(capsys, [*words, f"--models=[{each}]", "--checkpoints=[a.ckpt]"])
    assert "at least 2 `models` to compare, got 0" in refusal(capsys, words)
