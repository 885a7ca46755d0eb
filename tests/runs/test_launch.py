"""Units of a study: started in any order, they leave a run that is collected to the results of a single start."""

import json
from itertools import chain
from pathlib import Path

import pandas as pd
import pytest
import yaml

from lightning_spx.attribution import Gradient
from lightning_spx.runs.launch import Launch, share_of
from tests.small_study import NUM_MODELS, checkpoints_of, results_of, study

UNITS = ("2/3", "3/3", "1/3")


def test_shares_are_a_partition() -> None:
    work = list(range(17))
    shares = [share_of(work, f"{number}/5") for number in range(1, 6)]
    assert sorted(chain.from_iterable(shares)) == work
    assert max(map(len, shares)) - min(map(len, shares)) == 1


@pytest.mark.parametrize("unit", ["0/2", "3/2", "1", "a/b", "1/", "/2", "-1/2", "1.5/2", "", "1/0", "collect"])
def test_what_is_no_share_is_refused(unit: str) -> None:
    with pytest.raises(ValueError, match=r"Expected `unit` to be a share such as '2/16'"):
        share_of([], unit)


@pytest.mark.usefixtures("no_figures")
def test_units_train_and_explain_their_shares_and_a_start_without_one_collects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    for number, unit in enumerate(UNITS, start=1):
        study(out, methods=[Gradient()], shard_size=3, unit=unit)
        assert len(checkpoints_of(out)) == number
        assert not (out / "results.csv").exists()
    # the last one found all models trained, and has explained its share
    assert sorted(path.name[:17] for path in (out / "per_image").iterdir()) == ["repeat0_shard0000"]
    said = capsys.readouterr().out
    assert "Unit 2/3 has trained its models; start it again once repeat0-model0, repeat0-model2 are trained" in said
    assert "Unit 1/3 is done; 2 of 3 blocks are left to others." in said
    for unit in UNITS:
        study(out, methods=[Gradient()], shard_size=3, unit=unit)
    assert "Unit 1/3 is done; all blocks are there." in capsys.readouterr().out
    assert len(list((out / "per_image").iterdir())) == 3
    # the settings that are kept are those of the whole study
    assert not {"unit", "launcher", "resources"} & set(yaml.safe_load((out / "config.yaml").read_text()))
    assert set(json.loads((out / "run.json").read_text())["models"]) == set()

    made = {path: path.stat().st_mtime_ns for kind in ("*.ckpt", "*.parquet") for path in out.rglob(kind)}
    study(out, methods=[Gradient()], shard_size=3)
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert len(json.loads((out / "run.json").read_text())["models"]) == NUM_MODELS
    alone = study(tmp_path / "alone", methods=[Gradient()], shard_size=3)
    pd.testing.assert_frame_equal(results_of(out), results_of(alone))


@pytest.mark.usefixtures("no_training")
def test_a_unit_of_other_settings_is_refused(finished: Path, tmp_path: Path) -> None:
    files = checkpoints_of(finished)
    study(tmp_path / "run", methods=[Gradient()], checkpoints=files, shard_size=3, unit="1/3")
    with pytest.raises(ValueError, match=r"Expected `num_images` to be 10 as in the earlier run"):
        study(tmp_path / "run", methods=[Gradient()], checkpoints=files, shard_size=3, num_images=9, unit="2/3")


def test_resources_without_a_cluster_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Expected `launcher` ray with `resources` {'CPU': 2}, got local"):
        Launch(None, "local", {"CPU": 2}, str)
