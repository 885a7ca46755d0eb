"""Checkpoints of every origin, and networks with weights."""

from pathlib import Path

import pytest
import torch
from lightning import Trainer
from torch import Tensor, nn
from torchvision import transforms

from lightning_spx.cli import main
from lightning_spx.evaluation.training.model_reading import ModelReading
from lightning_spx.evaluation.training.named_networks import (
    NamedNetwork,
    load_classifier,
    load_model,
    name_models,
    weights_hash,
)
from lightning_spx.models import ImageClassifier, SmallResNet
from tests.command_line import FIT, STABILITY
from tests.evaluation.callbacks.evaluator_cases import QUIET
from tests.small_study import classifier

IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["spx"])


def of_python(path: str = "python.ckpt") -> tuple[Path, ImageClassifier]:
    module = ImageClassifier(SmallResNet(num_classes=2, width=4))
    trainer = Trainer(**QUIET)
    trainer.strategy.connect(module)
    trainer.save_checkpoint(path)
    return Path(path), module.eval()


def logits(module: torch.nn.Module, images: Tensor = IMAGES) -> Tensor:
    with torch.no_grad():
        found: Tensor = module(images)
    return found


def test_a_checkpoint_of_spx_fit_names_its_network(tmp_path: Path) -> None:
    main(["fit", *FIT, "--trainer.max_epochs=1", "--trainer.limit_train_batches=1"])
    path = next(tmp_path.rglob("*.ckpt"))
    module = load_classifier(path)
    state = torch.load(path, weights_only=True)["state_dict"]
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert not module.training


def test_a_checkpoint_in_a_run_folder_takes_the_network_of_the_runs_configuration() -> None:
    main([*STABILITY, "--out=run"])
    path = Path("run/checkpoints/repeat0-model1.ckpt")
    module = load_classifier(path)
    state = torch.load(path, weights_only=True)["state_dict"]
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())


def test_a_checkpoint_from_python_needs_its_network() -> None:
    path, module = of_python()
    with pytest.raises(ValueError, match=r"Expected python\.ckpt to name its network, which it does not: give `model`"):
        load_classifier(path)
    assert torch.equal(
        logits(load_model(path, ModelReading(), lambda: SmallResNet(num_classes=2, width=4))), logits(module)
    )


def test_another_network_is_refused() -> None:
    path, _ = of_python()
    with pytest.raises(ValueError, match=r"Expected a checkpoint of the configured `model` .*python\.ckpt"):
        load_model(path, ModelReading(), lambda: SmallResNet(num_classes=3, width=4))


def test_a_network_with_weights_stands_behind_its_normalization() -> None:
    network = SmallResNet(num_classes=2, width=4).eval()
    torch.save(network.state_dict(), "weights.pt")
    named = NamedNetwork(SmallResNet(num_classes=2, width=4), "weights.pt", "", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    (name,) = models = name_models([], None, ModelReading(), [named])
    assert name == "SmallResNet"
    with torch.no_grad():
        expected = network((IMAGES - 0.5) / 0.25)
    assert torch.allclose(logits(models[name]), expected, atol=1e-6)


class Forwarding(nn.Module):
    """Somebody's module around a network, whose forward may do anything before it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.network(images)
        return found


def saying(mean: float, std: float, network: nn.Module | None = None) -> nn.Module:
    """A network that says what its images are normalized by, as those of timm do."""
    said = SmallResNet(num_classes=2, width=4).eval() if network is None else network
    said.__dict__["pretrained_cfg"] = {"mean": 3 * (mean,), "std": 3 * (std,), "input_size": (3, 32, 32)}
    return said


def warned_of(record: pytest.WarningsRecorder) -> list[str]:
    return [str(warning.message) for warning in record if "normalized" in str(warning.message)]


@pytest.mark.parametrize(("mean", "std"), [(0.5, 0.5), (0.0, 1.0)])
def test_a_network_stands_behind_the_normalization_that_it_says_itself(
    mean: float, std: float, recwarn: pytest.WarningsRecorder
) -> None:
    network = saying(mean, std)
    with torch.no_grad():
        expected = network((IMAGES - mean) / std)
    assert torch.allclose(logits(NamedNetwork(network).build().eval()), expected, atol=1e-6)
    assert torch.allclose(logits(NamedNetwork(network, image_size=32).build().eval()), expected, atol=1e-6)
    assert not warned_of(recwarn)


def test_a_part_that_says_its_normalization_is_believed_and_named() -> None:
    network = saying(0.5, 0.25)
    with pytest.warns(UserWarning, match=r"mean \(0\.5, .*the part `network` \(SmallResNet\) of Forwarding"):
        model = NamedNetwork(Forwarding(network)).build().eval()
    with torch.no_grad():
        expected = network((IMAGES - 0.5) / 0.25)
    assert torch.allclose(logits(model), expected, atol=1e-6)
    parts = nn.Sequential(saying(0.5, 0.5), saying(0.0, 1.0))
    with pytest.raises(ValueError, match="Expected the parts of Sequential to be normalized alike, got `0` mean"):
        NamedNetwork(parts).build()


def test_a_network_that_normalizes_itself_is_not_normalized_twice() -> None:
    whole = nn.Sequential(transforms.Normalize([0.4] * 3, [0.2] * 3), SmallResNet(num_classes=2, width=4)).eval()
    with pytest.warns(UserWarning, match=r"of Sequential, whose layer `0` \(Normalize\) normalizes"):
        model = NamedNetwork(whole).build().eval()
    with torch.no_grad():
        expected = whole(IMAGES)
    assert torch.allclose(logits(model), expected, atol=1e-6)


def test_another_normalization_than_the_network_says_is_warned_of(recwarn: pytest.WarningsRecorder) -> None:
    ImageClassifier(SmallResNet(num_classes=2, width=4), mean=(0.1, 0.1, 0.1))
    ImageClassifier(saying(0.5, 0.5), mean=(0.498, 0.498, 0.498), std=(0.502, 0.502, 0.502))
    assert not warned_of(recwarn)
    ImageClassifier(Forwarding(saying(0.5, 0.5)))
    (first,) = warned_of(recwarn)
    assert "by mean (0.485, 0.456, 0.406) and std (0.229, 0.224, 0.225), not by mean (0.5, 0.5, 0.5)" in first


def test_another_normalization_than_a_networks_own_weights_had_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Expected `mean` \(0.5, .* which SmallResNet says its weights were trained"):
        NamedNetwork(saying(0.5, 0.5), mean=(0.1, 0.1, 0.1)).build()
    torch.save(saying(0.5, 0.5).state_dict(), "own.pt")
    with pytest.warns(UserWarning, match=r"by mean \(0.1, 0.1, 0.1\) and std \(0.5, 0.5, 0.5\), not by"):
        model = NamedNetwork(saying(0.5, 0.5), "own.pt", mean=(0.1, 0.1, 0.1)).build()
    assert model.normalize is not None
    assert torch.equal(model.normalize(IMAGES), (IMAGES - 0.1) / 0.5)


def test_a_checkpoint_holds_the_normalization_of_its_training(recwarn: pytest.WarningsRecorder) -> None:
    path, module = of_python()
    assert torch.equal(logits(load_model(path, ModelReading(), lambda: saying(0.5, 0.5))), logits(module))
    assert not warned_of(recwarn)


def test_networks_of_timm_say_their_normalization() -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    network = timm.create_model("vit_tiny_patch16_224", num_classes=5, img_size=32).eval()
    configuration = timm.data.resolve_model_data_config(network)
    mean, std = (torch.tensor(configuration[name]).view(-1, 1, 1) for name in ("mean", "std"))
    with torch.no_grad():
        expected = network((IMAGES - mean) / std)
    assert torch.allclose(logits(NamedNetwork(network).build().eval()), expected, atol=1e-5)


def test_models_of_the_same_name_are_told_apart() -> None:
    Path("a").mkdir()
    Path("b").mkdir()
    paths = [str(of_python(f"{folder}/last.ckpt")[0]) for folder in ("a", "b")]
    others = [NamedNetwork(SmallResNet(num_classes=2, width=4), name=name) for name in ("net", "net", "a/last.ckpt")]
    assert list(name_models(paths, lambda: SmallResNet(num_classes=2, width=4), ModelReading(), others)) == [
        "a/last.ckpt",
        "b/last.ckpt",
        "net",
        "net #2",
        "a/last.ckpt #2",
    ]


def test_no_model_is_refused() -> None:
    with pytest.raises(
        ValueError, match="Expected a model: `model` with `weights` or `checkpoints`, or `checkpoints` alone"
    ):
        name_models([], None, ModelReading(), [])
    with pytest.raises(FileNotFoundError, match=r"Expected a checkpoint at nowhere\.ckpt"):
        name_models(["nowhere.ckpt"], None, ModelReading(), [])


def test_weights_of_another_model_are_another_study() -> None:
    first, second = classifier(), classifier()
    assert weights_hash({"a": first}) == weights_hash({"a": first})
    assert weights_hash({"a": first}) != weights_hash({"a": second})


class Stack(nn.Sequential):
    """A bare network of one channel and three findings."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3))


def test_a_bare_network_takes_normalization_and_head_of_the_classifier_that_was_saved_around_it() -> None:
    trained = ImageClassifier(Stack(), mean=(0.3,), std=(0.2,), head="multi_label").eval()
    trainer = Trainer(**QUIET)
    trainer.strategy.connect(trained)
    trainer.save_checkpoint("findings.ckpt")
    gray = IMAGES[:, :1]
    with torch.no_grad():
        expected = trained.network((gray - 0.3) / 0.2)
    for model in (
        load_model(Path("findings.ckpt"), ModelReading(), Stack),
        NamedNetwork(Stack(), "findings.ckpt").build(),
    ):
        assert model.head == "multi_label"
        torch.testing.assert_close(logits(model, gray), expected, atol=1e-6, rtol=1e-6)
    with pytest.raises(ValueError, match="to be those of ImageClassifier itself"):
        NamedNetwork(Stack(), "findings.ckpt", mean=(0.5,), std=(0.5,)).build()


class Normalizing(nn.Module):
    """A bare network that normalizes in a layer of the name that our classifier's has."""

    def __init__(self) -> None:
        super().__init__()
        self.normalize = nn.Module()
        self.normalize.register_buffer("mean", torch.tensor(0.5))
        self.normalize.register_buffer("std", torch.tensor(0.25))
        self.net = Stack()

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.net((images - 0.5) / 0.25)
        return found


def test_a_network_with_a_layer_of_our_name_is_no_classifier_of_ours() -> None:
    network = Normalizing().eval()
    torch.save(network.state_dict(), "own.pt")
    model = load_model(Path("own.pt"), ModelReading(mean=[0.0], std=[1.0]), Normalizing)
    with torch.no_grad():
        assert torch.equal(model(IMAGES[:, :1]), network(IMAGES[:, :1]))
