"""Every sweep in the repository expands to command lines that the command line understands."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.command_line import Captured, printed

ROOT = Path(__file__).parents[1]
SWEEPS = sorted((ROOT / "configs" / "wandb").glob("*.yaml"))


def settings(sweep: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(sweep.read_text())
    return content


def samples(content: dict[str, Any]) -> list[dict[str, object]]:
    """All points of a grid, as the controller of W&B hands them out."""
    assert content["method"] == "grid"
    names = list(content["parameters"])
    values = [content["parameters"][name]["values"] for name in names]
    return [dict(zip(names, point, strict=True)) for point in itertools.product(*values)]


def command(content: dict[str, Any], sample: dict[str, object]) -> list[str]:
    """The command line of a sample, macros replaced as the agent of W&B does: `${args}` is `--name=value` of each."""
    words: list[str] = []
    for word in content["command"]:
        if word == "${args}":
            words += [f"--{name}={value}" for name, value in sample.items()]
        else:
            words.append(word.replace("${program}", content["program"]))
    return words


def test_there_is_a_sweep() -> None:
    assert SWEEPS


@pytest.mark.parametrize("sweep", SWEEPS, ids=lambda path: path.stem)
@pytest.mark.parametrize("position", [0, 7, 23, 38, -1])
def test_a_sample_is_a_command_with_its_values(
    sweep: Path, position: int, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    content = settings(sweep)
    sample = samples(content)[position]
    program, *words = command(content, sample)
    assert program == "spx"
    config = yaml.safe_load(printed(capsys, [*words, "--print_config"]))
    (segmenter,) = config["superpixels"]
    assert segmenter["class_path"] == "lightning_spx.superpixels.Slic"
    for name in ("n_segments", "compactness"):
        assert segmenter["init_args"][name] == sample[f"superpixels.{name}"]
    (method,) = config["methods"]
    assert f"[{method['class_path'].rpartition('.')[2]}]" == sample["methods"]
    assert config["trainer"]["logger"]["class_path"] == "lightning.pytorch.loggers.WandbLogger"


@pytest.mark.parametrize("sweep", SWEEPS, ids=lambda path: path.stem)
def test_no_two_samples_are_the_same_command(sweep: Path) -> None:
    content = settings(sweep)
    commands = [tuple(command(content, sample)) for sample in samples(content)]
    assert len(set(commands)) == len(commands) == 60
