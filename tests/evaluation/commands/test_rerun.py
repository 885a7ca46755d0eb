"""A run repeated from its folder: the same numbers, or where they differ most and what could be the cause."""

import json
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from lightning_spx.cli import main
from lightning_spx.evaluation.commands.run_differences import (
    file_differences,
    number_files,
)
from tests.command_line import BIRDS, NETWORK, STABILITY, TRAINER, Captured, refusal

TRADEOFF = [
    *("tradeoff", *TRAINER, *BIRDS, *NETWORK, "--methods=[Gradient]", "--superpixels=[Grid]", "--sizes=[9]"),
    *("--num_images=6", "--num_steps=2", "--fractions=[0.5]", "--num_resamples=20"),
]
ROAR = [
    *("roar", *TRAINER, *BIRDS, *NETWORK, "--methods=[Gradient]", "--superpixels=[]", "--percentages=[50]"),
    *("--num_seeds=1", "--batch_size=50"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run was started."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setattr("sys.argv", ["spx"])


@pytest.fixture(scope="module")
def repeated(home: Path) -> tuple[Path, Path]:
    """A run that was moved to another place, and its repetition."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setattr("sys.argv", ["spx"])
        main([*STABILITY, "--out=run"])
        shutil.move("run", "archive/run")
        main(["rerun", "archive/run"])
    return home / "archive" / "run", home / "archive" / "run-rerun"


def copy_of(run: Path, folder: Path) -> Path:
    shutil.copytree(run, folder)
    return folder


def compared(capsys: Captured, run: Path, again: Path) -> tuple[int | str | None, str]:
    """The exit code and the words of a repetition that is there already."""
    capsys.readouterr()
    code: int | str | None = 0
    try:
        main(["rerun", str(run), f"--out={again}"])
    except SystemExit as end:
        code = end.code
    return code, capsys.readouterr().out


@pytest.mark.usefixtures("no_training", "no_figures")
def test_a_moved_run_is_repeated_beside_it_with_the_same_numbers(repeated: tuple[Path, Path], capsys: Captured) -> None:
    run, again = repeated
    files = number_files(run)
    assert {path.suffix for path in files.values()} == {".csv", ".parquet", ".npz", ".ckpt"}
    assert files.keys() == number_files(again).keys()
    # which trains nothing: a repetition is taken up where it ended
    code, said = compared(capsys, run, again)
    assert code == 0
    assert said.count("equal bit for bit") == len(files) + 1
    assert f"All {len(files)} files of numbers are equal bit for bit." in said
    assert "name the same versions, machine, settings and data" in said


@pytest.mark.usefixtures("no_training", "no_figures")
def test_a_value_that_differs_and_what_could_be_the_cause_are_named_and_the_code_is_1(
    repeated: tuple[Path, Path], capsys: Captured, tmp_path: Path
) -> None:
    run, again = copy_of(repeated[0], tmp_path / "run"), repeated[1]
    path = sorted((run / "per_image").glob("*.parquet"))[0]
    rows = pd.read_parquet(path)
    change = np.zeros(len(rows))
    change[[3, 5]] = 0.25, -0.125
    rows.assign(value=rows["value"] + change).to_parquet(path, index=False)
    record = json.loads((run / "run.json").read_text())
    record["versions"]["torch"] = "2.0.0"
    record["deterministic"]["algorithms"] = True
    del record["cpu"]
    (run / "run.json").write_text(json.dumps(record))
    code, said = compared(capsys, run, again)
    assert code == 1
    assert "up to 0.25, in value[3]" in said
    assert f"1 of {len(number_files(run))} files of numbers differ.\n" in said
    assert f"2.0.0 {version('torch')}" in " ".join(said.split())
    assert "deterministic.algorithms" in said
    assert "not recorded" in said
    assert "seconds" not in said


def test_a_last_bit_of_a_weight_and_a_file_that_is_not_there_are_found(
    repeated: tuple[Path, Path], tmp_path: Path
) -> None:
    run, again = copy_of(repeated[0], tmp_path / "run"), repeated[1]
    path = sorted((run / "checkpoints").glob("*.ckpt"))[0]
    content = torch.load(path, weights_only=True)
    name = next(name for name in content["state_dict"] if name.startswith("network.") and name.endswith(".weight"))
    weight = content["state_dict"][name]
    weight[:1] = torch.nextafter(weight[:1], torch.tensor(torch.inf))
    torch.save(content, path)
    gone = next((run / "examples").glob("*.npz"))
    gone.unlink()
    found = {file: said for file, said in file_differences(run, again).items() if said}
    assert found.keys() == {f"checkpoints/{path.name}", f"examples/{gone.name}"}
    assert f" in {name}[0]" in found[f"checkpoints/{path.name}"]
    assert found[f"examples/{gone.name}"] == f"only in {again}"


@pytest.mark.parametrize("words", [TRADEOFF, ROAR], ids=["tradeoff", "roar"])
def test_other_studies_are_repeated_too(words: list[str], tmp_path: Path, capsys: Captured) -> None:
    run = tmp_path / "run"
    main([*words, f"--out={run}"])
    capsys.readouterr()
    main(["rerun", str(run)])
    assert f"All {len(number_files(run))} files of numbers are equal bit for bit." in capsys.readouterr().out
    assert (tmp_path / "run-rerun" / "results.csv").is_file()


@pytest.mark.usefixtures("no_training", "no_figures")
def test_given_checkpoints_are_found_from_the_same_folder_only(
    repeated: tuple[Path, Path], tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    files = ",".join(f"archive/run/checkpoints/{path.name}" for path in (repeated[0] / "checkpoints").glob("*.ckpt"))
    main([*STABILITY, f"--checkpoints=[{files}]", f"--out={run}"])
    assert "All" in compared(capsys, run, tmp_path / "again")[1]
    monkeypatch.chdir(tmp_path)
    last = refusal(capsys, ["rerun", str(run), f"--out={tmp_path / 'elsewhere'}"])
    assert "archive/run/checkpoints/" in last
    assert f"Relative paths of a run start where it was started, and now in {tmp_path}." in last


def test_what_cannot_be_repeated_is_refused_in_one_line(
    repeated: tuple[Path, Path], finished: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert "no nowhere/config.yaml" in refusal(capsys, ["rerun", "nowhere"])
    assert "one of Python code" in refusal(capsys, ["rerun", str(finished), f"--out={tmp_path / 'again'}"])
    assert not (tmp_path / "again").exists()
    run = copy_of(repeated[0], tmp_path / "run")
    assert "another folder than that of the run" in refusal(capsys, ["rerun", str(run), f"--out={run}"])
    assert "`out`" in refusal(capsys, ["rerun", str(run), f"--out={repeated[0].parent}"])
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "command": None}))
    assert f"{run / 'run.json'} to name the `command`" in refusal(capsys, ["rerun", str(run)])
    (run / "run.json").write_text("{")
    assert f"{run / 'run.json'}, got a damaged file" in refusal(capsys, ["rerun", str(run)])
    (run / "results.csv").unlink()
    assert "Run the study with the same settings to its end" in refusal(capsys, ["rerun", str(run)])


@pytest.mark.parametrize("kind", ["*.parquet", "*.npz", "*.ckpt"])
def test_a_damaged_file_of_numbers_is_named(repeated: tuple[Path, Path], tmp_path: Path, kind: str) -> None:
    run = copy_of(repeated[0], tmp_path / "run")
    path = sorted(run.rglob(kind))[0]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=f"{path}"):
        file_differences(run, repeated[1])


@pytest.mark.usefixtures("no_figures")
def test_a_users_own_module_is_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "network_of_a_project.py").write_text(
        "from lightning_spx.models import SmallResNet\n\n\nclass Net(SmallResNet):\n    pass\n"
    )
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setattr("sys.path", [*sys.path])
    main([*STABILITY, "--model.network=network_of_a_project.Net", *NETWORK, "--out=run"])
    assert json.loads(Path("run/run.json").read_text())["started_in"] == str(tmp_path / "project")
    shutil.move("run", tmp_path / "moved")
    # as a new process elsewhere
    sys.modules.pop("network_of_a_project")
    monkeypatch.setattr("sys.path", [each for each in sys.path if each != str(tmp_path / "project")])
    monkeypatch.chdir(tmp_path)
    assert compared(capsys, tmp_path / "moved", tmp_path / "again")[0] == 0
