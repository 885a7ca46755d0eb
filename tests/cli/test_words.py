"""Natural forms of words reach the parser: a list of one, earlier words, builders that hide what they take."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from lightning_spx.cli import main
from lightning_spx.cli.builders import BUILT, PREPROCESSING
from lightning_spx.cli.words import Words, list_settings
from lightning_spx.evaluation import stability
from lightning_spx.models import ImageClassifier, SmallResNet, ZScore
from tests.command_line import Captured, refusal

LISTS = Words(frozenset({"methods", "images", "sizes", "checkpoints"}), {"ckpt": "checkpoints", "network": "model"})


def test_settings_that_take_a_list_are_found_in_the_signature() -> None:
    lists = list_settings(stability)
    assert {"methods", "checkpoints", "models", "magnitudes", "mean"} <= lists
    # `--targets=present` and `--to_rgb=module.function` are values by themselves
    assert not {"model", "seed", "target", "targets", "output", "to_rgb"} & lists


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--methods", "GradCAM"], ["--methods=[GradCAM]"]),
        (["--methods=GradCAM", "--methods.layer", "layer4"], ["--methods=[GradCAM]", "--methods.layer", "layer4"]),
        (["--images", "photos/*.jpg"], ['--images=["photos/*.jpg"]']),
        (["--images", "a: b.jpg"], ['--images=["a: b.jpg"]']),
        (["--sizes", "16"], ["--sizes=[16]"]),
        (["--sizes", "[16, 64]"], ["--sizes=[16, 64]"]),
        (["--methods+=GradCAM"], ["--methods+=GradCAM"]),
        (["--methods", "null"], ["--methods=null"]),
        (["--methods", "{class_path: GradCAM}"], ["--methods=[{class_path: GradCAM}]"]),
        (
            ["a.png", "--seed", "-1", "--print_config", "--out=x"],
            ["a.png", "--seed", "-1", "--print_config", "--out=x"],
        ),
    ],
)
def test_one_value_is_taken_for_a_list_of_one(words: list[str], expected: list[str]) -> None:
    assert LISTS.rewrite(words) == expected


def test_earlier_words_work_and_warn() -> None:
    with pytest.warns(FutureWarning, match="`network` is called `model` now"):
        words = LISTS.rewrite(["--network", "SmallResNet", "--network.width=4"])
    assert words == ["--model=SmallResNet", "--model.width=4"]
    with pytest.warns(FutureWarning, match="`ckpt` is called `checkpoints` now"):
        assert LISTS.load("ckpt: a.ckpt") == {"checkpoints": ["a.ckpt"]}


OWN = """
from torch import nn
def plain(width=3):
    return nn.Linear(2, width)
def open_ended(kind: str, **kwargs) -> nn.Module:
    return nn.Linear(2, kwargs["width"])
class Net(nn.Module):
    def __init__(self, width: int = 2):
        super().__init__()
        self.layer = nn.Linear(2, width)
    @classmethod
    def from_pretrained(cls, path, **kwargs):
        return cls(int(path))
class Around(nn.Module):
    def __init__(self, backbone: nn.Module, activation=None):
        super().__init__()
        self.backbone = backbone
def halved(images):
    return images / 2
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_builders.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("own")
def test_builders_that_hide_what_they_take_or_return_are_called_with_it() -> None:
    forms = Words()
    assert forms.rewrite(["--model", "own_builders.plain", "--model.width", "5"]) == [
        f"--model={BUILT}",
        "--model.builder=own_builders.plain",
        "--model.arguments.width=5",
    ]
    assert forms.rewrite(["--model=own_builders.open_ended", "--model.kind=x", "--model.width=5"]) == [
        "--model=own_builders.open_ended",
        "--model.kind=x",
        "--model.dict_kwargs.width=5",
    ]
    # a class says what it takes, and a typo in it must be refused
    words = ["--model", "own_builders.Net", "--model.widht", "5"]
    assert forms.rewrite(words) == words
    tree = forms.load("model: {class_path: own_builders.Net.from_pretrained, init_args: {path: 7, revision: main}}")
    arguments = {"path": 7, "revision": "main"}
    assert tree == {
        "model": {
            "class_path": BUILT,
            "init_args": {"builder": "own_builders.Net.from_pretrained", "arguments": arguments},
        }
    }
    nested = forms.load(
        "{model: {class_path: X, init_args: {network: "
        "{class_path: own_builders.open_ended, init_args: {kind: x, width: 5}}}}}"
    )
    network = nested["model"]["init_args"]["network"]
    assert network == {"class_path": "own_builders.open_ended", "init_args": {"kind": "x"}, "dict_kwargs": {"width": 5}}
    assert forms.load("preprocess: own_builders.halved")["preprocess"] == {
        "class_path": PREPROCESSING,
        "init_args": {"function": "own_builders.halved"},
    }
    Path("own.yaml").write_text("model: {class_path: own_builders.open_ended, init_args: {kind: x}}")
    words = forms.rewrite(["--config", "own.yaml", "--model.width=5"])
    assert words == ["--config", "own.yaml", "--model.dict_kwargs.width=5"]


@pytest.mark.usefixtures("own")
def test_an_argument_that_is_a_network_by_its_type_is_one_whatever_its_name() -> None:
    forms = Words()
    words = ["--model=own_builders.Around", "--model.backbone=own_builders.plain", "--model.backbone.width=5"]
    assert forms.rewrite(words) == [
        "--model=own_builders.Around",
        f"--model.backbone={BUILT}",
        "--model.backbone.builder=own_builders.plain",
        "--model.backbone.arguments.width=5",
    ]
    # a function that is no network by its type stays one
    words = ["--model=own_builders.Around", "--model.activation=torch.nn.functional.relu"]
    assert forms.rewrite(words) == words
    tree = forms.load("model: {class_path: own_builders.Around, init_args: {backbone: own_builders.plain}}")
    assert tree["model"]["init_args"]["backbone"] == {
        "class_path": BUILT,
        "init_args": {"builder": "own_builders.plain", "arguments": {}},
    }
    text = "model: {class_path: own_builders.Around, init_args: {backbone: {class_path: own_builders.open_ended, "
    tree = forms.load(f"{text}init_args: {{kind: x, width: 5}}}}}}}}")
    assert tree["model"]["init_args"]["backbone"]["dict_kwargs"] == {"width": 5}


def test_yaml_is_read_as_the_parser_reads_it() -> None:
    assert LISTS.load("lr: 1e-3") == {"lr": 0.001}
    assert LISTS.load("[1, a]") == [1, "a"]
    assert LISTS.load("text") == "text"


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["spx"])
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("photo.png")
    return "photo.png"


def explained(words: list[str]) -> dict[str, Any]:
    main(["explain", "photo.png", "--image_size=16", "--methods=Gradient", "--superpixels=Grid", *words, "--out=out"])
    return dict(np.load("out/photo.npz"))


@pytest.mark.usefixtures("photo")
def test_a_checkpoint_of_any_form_explains_as_the_network_does() -> None:
    torch.manual_seed(0)
    net = SmallResNet(num_classes=3, width=4).eval()
    torch.save(net.state_dict(), "plain.pt")
    torch.save({"state_dict": {f"model.{name}": value for name, value in net.state_dict().items()}}, "lightning.ckpt")
    image = torch.from_numpy(np.array(Image.open("photo.png"))).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        expected = net(ZScore()(image)).softmax(1).max().item()
    words = ["--model=SmallResNet", "--model.num_classes=3", "--model.width=4", "--preprocess=ZScore"]
    for weights in (["--weights=plain.pt"], ["--weights=lightning.ckpt"], ["--checkpoints", "lightning.ckpt"]):
        found = explained([*words, *weights])
        assert found["probability"] == pytest.approx(expected, abs=1e-5)
        for file in Path("out").iterdir():
            file.unlink()


def test_random_weights_are_said(photo: str, capsys: Captured) -> None:
    with pytest.warns(UserWarning, match="The weights of SmallResNet are random: give `weights` or `checkpoints`"):
        explained(["--model=SmallResNet", "--model.num_classes=3", "--model.width=4"])
    assert "SmallResNet: images normalized by mean 0.485, 0.456, 0.406 and std" in capsys.readouterr().out


@pytest.mark.usefixtures("photo")
def test_what_does_not_fit_is_refused_in_one_line(capsys: Captured) -> None:
    net = ["--model=SmallResNet", "--model.num_classes=3", "--model.width=4"]
    words = ["explain", "photo.png", "--image_size=16", "--methods=Gradient", "--superpixels=Grid", *net]
    for more, message in (
        (["--mean=[0.5,0.5]", "--std=[0.5,0.5]"], "`mean` and `std` to have 3 numbers, one for each channel"),
        (["--mean=[0.5]"], "`mean` and `std` to be of equal length"),
        (["--output=scores"], "Expected `output` to name what the model returns, got 'scores'"),
        (
            ["--input_name=pixels"],
            "`input_name` to be a parameter of SmallResNet.forward, such as images, got 'pixels'",
        ),
        (["--head=scalar"], "one number per image, (N,) or (N, 1), for `head` scalar, got (1, 3)"),
        (["--preprocess=torch.round"], "`preprocess` round to be differentiable, got a gradient that is zero"),
        (["--preprocess=ZScore", "--mean=[0.5]", "--std=[0.5]"], "Expected `preprocess` or `mean` and `std`"),
        (["--channels=1"], "Expected images of 3 channels for SmallResNet, got 1"),
    ):
        assert message in refusal(capsys, [*words, *more])


def test_a_checkpoint_of_ours_is_not_normalized_twice(photo: str, capsys: Captured) -> None:
    classifier = ImageClassifier(SmallResNet(num_classes=3, width=4))
    torch.save({"state_dict": classifier.state_dict(), "pytorch-lightning_version": "2.6.0"}, "own.ckpt")
    net = ["--model=SmallResNet", "--model.num_classes=3", "--model.width=4", "--checkpoints=own.ckpt"]
    found = explained(net)
    image = torch.from_numpy(np.array(Image.open(photo))).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        expected = classifier.eval()(image).softmax(1).max().item()
    assert found["probability"] == pytest.approx(expected, abs=1e-5)
    line = refusal(
        capsys, ["explain", photo, *net, "--mean=[0.5]", "--std=[0.5]", "--methods=Gradient", "--superpixels=Grid"]
    )
    assert "to be those of ImageClassifier itself" in line


def test_a_student_and_its_teacher_in_one_file_are_told_apart(photo: str, capsys: Captured) -> None:
    pair = nn.ModuleDict(
        {"student": SmallResNet(num_classes=3, width=4), "teacher": SmallResNet(num_classes=3, width=4)}
    )
    torch.save({"state_dict": pair.state_dict()}, "both.ckpt")
    net = ["--model=SmallResNet", "--model.num_classes=3", "--model.width=4", "--weights=both.ckpt"]
    line = refusal(capsys, ["explain", photo, *net, "--methods=Gradient", "--superpixels=Grid"])
    assert "several parts that fit, student and teacher" in line


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--tables"], ["--tables=true"]),
        (["--tables", "--seed", "1"], ["--tables=true", "--seed", "1"]),
        (["--tables", "false"], ["--tables", "false"]),
        (["--tables=no"], ["--tables=no"]),
        (["--tables", "a.jpg", "b.jpg"], ["--tables=true", "a.jpg", "b.jpg"]),
        (["--tables=perhaps"], ["--tables=perhaps"]),
    ],
)
def test_a_switch_needs_no_value(words: list[str], expected: list[str]) -> None:
    assert Words(switched=frozenset({"tables"})).rewrite(words) == expected
