"""Every configuration in the repository runs, shortened, on data made for it."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml

from lightning_spx import attribution
from lightning_spx.cli import main
from lightning_spx.evaluation.stability import summary
from lightning_spx.models import ImageClassifier, SmallResNet
from lightning_spx.reporting.reference_rows import is_candidate
from tests.command_line import Captured, refusal
from tests.configured_data import make_cells, make_cifar10, make_folders
from tests.data.bird_folder import make_birds
from tests.data.test_unpaired import make_domains

CONFIGS = Path(__file__).parents[1] / "configs"
SMALL_CYCLEGAN = [
    *("--model.num_blocks=1", "--model.generator_channels=4"),
    *("--model.num_layers=2", "--model.discriminator_channels=4"),
]
QUIET = ["--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false"]
MOST_METHODS = 2  # of a configuration, as each costs the same: all of them are explained in a test of their own


@pytest.fixture(autouse=True)
def networks_by_import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a user has them with `PYTHONPATH=configs/networks`."""
    monkeypatch.syspath_prepend(str(CONFIGS / "networks"))


def configs(command: str) -> list[Path]:
    return sorted((CONFIGS / command).glob("*.yaml"))


def content(config: Path) -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load(config.read_text())
    return settings


def smaller_data(config: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words that put data of this test in the place of a configuration's."""
    words = ["--data.num_workers=0", "--data.batch_size=16"]
    match content(config).get("data", {"class_path": "SyntheticBirdsDataModule"})["class_path"]:
        case "SyntheticBirdsDataModule":
            return [*words, "--data.num_train=80", "--data.num_test=20"]
        case "CIFAR10DataModule":
            monkeypatch.setattr(
                "torchvision.datasets.cifar.check_integrity", lambda path, md5=None: Path(path).is_file()
            )
            make_cifar10(root, per_file=20)
        case "ImageFolderDataModule":
            make_folders(root, num_classes=10)
        case "BirdsDataModule":
            named = content(config)["data"]["init_args"].get("classes") or [f"Bird{number}" for number in range(10)]
            names = [f"{number:03d}.{name}" for number, name in enumerate(named, start=1)]
            make_birds(root, present=tuple(range(1, len(names) + 1)), names=names)
            words += ["--data.image_size=32"]
        case "TableDataModule":
            return [*words, f"--data.table={make_cells(root)}"]
        case "UnpairedDataModule":
            make_domains(root, size=32, counts={"trainA": 40, "trainB": 40, "testA": 20, "testB": 20})
            words += ["--data.image_size=32"]
        case other:
            pytest.fail(f"{config.name} uses {other}, which has no data in this test yet")
    return [*words, f"--data.root={root}"]


def cheaper_methods(config: Path, most: int | None = MOST_METHODS) -> str:
    """The first methods of a configuration, or all, where they repeat gradients with few of them."""
    methods = []
    for method in content(config)["methods"][:most]:
        names = {field.name for field in fields(getattr(attribution, method["class_path"]))}
        few = {name: 2 for name in ("num_samples", "num_steps", "num_masks") if name in names}
        methods.append({**method, "init_args": {**method.get("init_args", {}), **few}})
    return f"--methods={json.dumps(methods)}"


def test_no_configuration_is_left_out() -> None:
    assert {path.parent.name for path in CONFIGS.rglob("*.yaml")} == {
        "bench",
        "ensemble",
        "fit",
        "roar",
        "stability",
        "tradeoff",
        "wandb",
    }  # those of wandb have a test of their own


@pytest.mark.parametrize("config", configs("fit"), ids=lambda path: path.stem)
def test_a_fit_configuration_runs(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["spx"])
    data = smaller_data(config, tmp_path, monkeypatch)
    if content(config)["model"]["class_path"] == "CycleGAN":
        data += SMALL_CYCLEGAN
    # bf16 is slow on a CPU
    main(["fit", f"--config={config}", *data, "--data.batch_size=2", *QUIET, "--trainer.fast_dev_run=true"])


@pytest.mark.parametrize("image_size", [64, pytest.param(256, marks=pytest.mark.soak)])
def test_the_published_sizes_of_cyclegan_train_a_step(
    image_size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["spx"])
    make_domains(tmp_path / "photos", size=256, counts={"trainA": 1, "trainB": 1, "testA": 1, "testB": 1})
    config = CONFIGS / "fit" / "cyclegan_horse2zebra.yaml"
    # no size of the networks is changed: 9 blocks, 64 channels; at night none of the images either
    assert content(config)["data"]["init_args"].get("image_size", 256) == 256
    words = ["--data.root=photos", "--data.num_workers=0", "--trainer.limit_val_batches=0", *QUIET]
    main(["fit", f"--config={config}", f"--data.image_size={image_size}", *words, "--trainer.fast_dev_run=true"])


def test_pretrained_architectures_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lightning_spx.runs.example_maps.NUM_EXAMPLES", 1)
    make_folders(tmp_path, num_classes=4)
    config = CONFIGS / "stability" / "efficientnet_lite.yaml"
    words = ["--images=[train/class0/0.png,test/class1/0.png]", "--num_images=2", "--num_resamples=20"]
    words += ["--batch_size=2", cheaper_methods(config, 1), "--magnitudes=[after]"]
    main(["stability", f"--config={config}", *words, *QUIET, "--out=run"])
    results = pd.read_csv("run/results.csv")
    assert set(results["pair"]) == {"all", "0-1", "0-2", "1-2"}
    assert list(json.loads(Path("run/run.json").read_text())["models"]) == ["lite0", "lite1", "lite2"]


def test_imagenet_on_eight_architectures_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lightning_spx.runs.example_maps.NUM_EXAMPLES", 1)
    config = CONFIGS / "stability" / "imagenet.yaml"
    make_folders(tmp_path, num_classes=4)
    words = ["stability", f"--config={config}", "--data.root=.", *QUIET]
    # its networks are built as they are; what is missing is the first one's weights
    assert "weights/resnet50.pth" in refusal(capsys, words)
    small = {"class_path": "SmallResNet", "init_args": {"num_classes": 4, "width": 4}}
    models = [{**each, "network": small, "weights": None} for each in content(config)["models"]]
    words += [f"--models={json.dumps(models)}", "--num_images=2", "--num_resamples=20", "--data.image_size=32"]
    main([*words, cheaper_methods(config), "--magnitudes=[after]", "--out=run"])
    results = pd.read_csv("run/results.csv")
    assert results["pair"].nunique() == 1 + 28
    methods = content(config)["methods"][:MOST_METHODS]
    assert list(results["method"].unique()) == [method["class_path"] for method in methods]


MOST_PARTS = 2  # of these tests: every part is a training, and pairs of models are compared


@pytest.mark.parametrize(
    "config", [path for path in configs("stability") if "models" not in content(path)], ids=lambda path: path.stem
)
def test_a_stability_configuration_runs(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # most of the time goes into laying out the pictures of examples
    monkeypatch.setattr("lightning_spx.runs.example_maps.NUM_EXAMPLES", 1)
    most = 1 if "plans" in content(config) else MOST_METHODS
    if most == 1:
        # each plan costs as much as a study, and figures of several plans have tests of their own
        monkeypatch.setattr(summary, "report_stability", lambda *_: None)
    data = smaller_data(config, tmp_path, monkeypatch)
    fewer = ["--num_images=8", "--batch_size=8", "--repeats=1", "--num_resamples=20", "--ceiling=false"]
    training = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=1", "--trainer.limit_val_batches=1"]
    # the birds have three attributes
    num_outputs = 3 if content(config)["data"]["init_args"].get("attributes") else 10
    network = ["--model.network=SmallResNet", f"--model.network.num_classes={num_outputs}", "--model.network.width=4"]
    if content(config).get("model", {}).get("class_path") == "CycleGAN":
        network = SMALL_CYCLEGAN
    if config.stem == "vit_cifar10_small":
        # maps of tokens need a transformer; its own keyword arguments are those of the builder
        network = ["--model.network.depth=2", "--model.network.embed_dim=16", "--model.network.num_heads=2"]
    if config.stem in ("rivals_cells", "table_cells"):
        # the network keeps its keyword argument for one channel
        network = ["--model.network.num_classes=10"]
    if content(config)["data"]["init_args"].get("num_parts", 0) > MOST_PARTS:
        data.append(f"--data.num_parts={MOST_PARTS}")
    if content(config)["data"]["init_args"].get("images_per_part"):
        data.append("--data.images_per_part=null")
    # both orders of pooling and magnitudes once: each costs as much as the other
    orders = [] if config.stem == "synthetic" else ["--magnitudes=[after]"]
    shorter = [*data, *fewer, *training, *network, *orders, cheaper_methods(config, most)]
    main(["stability", f"--config={config}", *shorter, *QUIET, "--out=run"])
    results = pd.read_csv("run/results.csv")
    settings = content(config)
    assert list(results["method"].unique()) == [method["class_path"] for method in settings["methods"][:most]]
    own = results.loc[results["superpixels"].map(is_candidate), "superpixels"].unique()
    assert list(own) == ["pixel", *(segmenter["class_path"] for segmenter in settings["superpixels"])]
    assert results.loc[results["metric"].isin(["saliency_ssim", "topk_overlap"]), "value"].notna().all()
    plans, num_models = settings.get("plans", []), min(MOST_PARTS, settings["data"]["init_args"]["num_parts"])
    if {"seeds", "disjoint"} <= set(plans):
        num_models += num_models - 1  # they share the first one
    assert len(list(Path("run/checkpoints").glob("*.ckpt"))) == num_models + len(settings.get("architectures", []))
    assert list(results["plan"].unique()) == plans or len(plans) == 0


@pytest.mark.parametrize("config", configs("tradeoff"), ids=lambda path: path.stem)
def test_a_tradeoff_configuration_runs(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = content(config)
    words = ["--num_images=4", "--batch_size=4", "--num_resamples=20", "--num_steps=2", "--fractions=[0.5]"]
    words += ["--magnitudes=[after]", "--substrates=[blur]"]
    if "images" in settings:
        make_folders(tmp_path, num_classes=8)
        small = {"class_path": "SmallResNet", "init_args": {"width": 4}}
        networks = [{**each, "network": small} for each in settings["networks"]]
        words += ["--images=['train/*/*.png']", "--image_size=32", f"--networks={json.dumps(networks)}"]
    else:
        words += [*smaller_data(config, tmp_path, monkeypatch), "--trainer.limit_train_batches=1"]
        words += ["--trainer.max_epochs=1", "--model.network=SmallResNet", "--model.network.width=4"]
        words += ["--trainer.limit_val_batches=1"]
        if settings.get("data", {}).get("init_args", {}).get("images_per_part"):
            words.append("--data.images_per_part=null")
    main(["tradeoff", f"--config={config}", *words, cheaper_methods(config, 1), *QUIET, "--out=run"])
    front = pd.read_csv("run/front.csv")
    assert list(front["method"].unique()) == [settings["methods"][0]["class_path"]]
    own = [name for name in front["superpixels"].unique() if is_candidate(name)]
    sized = (
        [each for each in settings["superpixels"] if each["class_path"] != "Felzenszwalb"] if settings["sizes"] else []
    )
    assert len(own) == 1 + len(sized) * len(settings["sizes"] or []) + len(settings["superpixels"]) - len(sized)
    assert front["fidelity"].notna().all()


@pytest.mark.parametrize("config", configs("ensemble"), ids=lambda path: path.stem)
def test_an_ensemble_configuration_runs(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = content(config)
    network = {"class_path": "SmallResNet", "init_args": {"width": 4}}
    model = {"class_path": "ImageClassifier", "init_args": {"network": network}}
    data = {"class_path": "SyntheticBirdsDataModule", "init_args": {"num_train": 80, "num_test": 20}}
    checkpoints = Path(settings["run"]) / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints.parent / "config.yaml").write_text(yaml.safe_dump({"data": data, "model": model}))
    for number in range(4):
        torch.save(
            {"state_dict": ImageClassifier(SmallResNet(width=4)).state_dict()}, checkpoints / f"a-model{number}.ckpt"
        )
    words = ["--num_images=4", "--num_resamples=20", "--num_assignments=2", "--magnitudes=[after]"]
    main(["ensemble", f"--config={config}", *words, cheaper_methods(config), *QUIET, "--out=run"])
    curves = pd.read_csv("run/ensemble.csv")
    assert list(curves["method"].unique()) == [method["class_path"] for method in settings["methods"]][:MOST_METHODS]
    assert set(curves["m"]) == {1, 2}


@pytest.mark.parametrize("config", configs("roar"), ids=lambda path: path.stem)
def test_a_roar_configuration_runs(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = smaller_data(config, tmp_path, monkeypatch)
    data += ["--data.images_per_part=null"]
    fewer = ["--percentages=[50]", "--num_seeds=1", "--trainer.max_epochs=1", "--trainer.limit_train_batches=1"]
    network = ["--model.network=SmallResNet", "--model.network.num_classes=10", "--model.network.width=4"]
    main(["roar", f"--config={config}", *data, *fewer, *network, cheaper_methods(config), *QUIET, "--out=run"])
    results = pd.read_csv("run/results.csv")
    methods = [method["class_path"] for method in content(config)["methods"]][:MOST_METHODS]
    assert list(results["method"].unique()) == ["none", "random", "sobel", *methods]
    assert results["value"].between(0, 1).all()


@pytest.mark.parametrize("config", configs("bench"), ids=lambda path: path.stem)
def test_a_bench_configuration_runs(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = content(config)
    words = ["--network.network=SmallResNet", "--network.network.width=4", "--image_size=16", "--device=cpu"]
    words += ["--batch_sizes=[2]", "--repeats=1", cheaper_methods(config)]
    words += [f"--{name}=1" for name in ("num_path_images", "num_noise_images") if settings.get(name)]
    main(["bench", f"--config={config}", *words, "--out=run"])
    found = {path.stem for path in Path("run/sections").iterdir()}
    assert found >= set(settings["sections"])
    assert ({"path", "noise", "variance"} <= found) == ("num_path_images" in settings)
    assert (Path("run/figures/exactness.png").is_file()) == ("num_path_images" in settings)
