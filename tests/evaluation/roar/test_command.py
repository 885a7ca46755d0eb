"""Remove and retrain: units that run alone, and nothing collected before all are there."""

import json
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest
import torch
from lightning import LightningModule, Trainer

from lightning_spx.attribution import Gradient, magnitude
from lightning_spx.data import SyntheticBirdsDataModule
from lightning_spx.evaluation.commands.report import report
from lightning_spx.evaluation.roar import roar
from lightning_spx.evaluation.roar.orders import Order, load_ranks
from lightning_spx.metrics import removal_ranks
from lightning_spx.runs.folder import RunFolder
from lightning_spx.superpixels import Grid, segment_pool
from tests.pictures import drawn
from tests.small_study import birds, checkpoints_of, classifier, quiet_trainer

NUM_TEST, NUM_POOL = 24, 60


def run(
    out: Path, unit: str | None = None, checkpoint: Path | None = None, removal: Literal["roar", "kar"] = "roar"
) -> Path:
    return roar(
        birds(num_parts=1, plan="all"),
        classifier,
        quiet_trainer,
        [Gradient()],
        [Grid(16)],
        percentages=[25, 75],
        removal=removal,
        num_seeds=2,
        checkpoint=None if checkpoint is None else str(checkpoint),
        unit=unit,
        batch_size=50,
        out=str(out),
    )


@pytest.fixture(scope="module")
def done(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with drawn():
        return run(tmp_path_factory.mktemp("roar") / "run", checkpoint=checkpoints_of(finished)[0])


def test_every_order_percentage_and_seed_is_a_unit(done: Path) -> None:
    # random, sobel, pixel, S- and its four controls, at two percentages; and the untouched data; two seeds each
    assert len(list((done / "units").glob("*.json"))) == (8 * 2 + 1) * 2
    results = pd.read_csv(done / "results.csv")
    assert len(results) == 8 * 2 + 1
    assert set(results["metric"]) == {"roar_accuracy"}
    row = results[(results["superpixels"] == "Grid") & (results["setting"] == "percentage=25")].iloc[0]
    names = [f"Gradient_Grid_after_25percent_seed{seed}" for seed in (0, 1)]
    values = [json.loads((done / "units" / f"{name}.json").read_text())["accuracy"] for name in names]
    assert row["value"] == pytest.approx(np.mean(values))
    # a grid beside its own control, the same grid: nothing to gain
    assert row["gain_low"] <= 0


def test_every_seed_of_a_part_trains_and_tests_on_removed_pixels_only(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[float] = []

    def fit(_: Trainer, model: LightningModule, datamodule: SyntheticBirdsDataModule, ckpt_path: Path | None) -> None:
        for loader in (datamodule.train_dataloader(), datamodule.val_dataloader(), datamodule.test_dataloader()):
            flat = torch.cat([batch["image"] for batch in loader]).flatten(2)
            # the color of a removed pixel is that of most pixels
            shares.append((flat == flat.mode(2, keepdim=True).values).all(1).float().mean(1).min().item())

    monkeypatch.setattr(Trainer, "fit", fit)
    data = birds(num_parts=2)
    data.augment = False  # which moves pixels over the border
    roar(
        data, classifier, quiet_trainer, [Gradient()], [], percentages=[75], num_seeds=2,
        checkpoint=str(checkpoints_of(finished)[0]), out=str(tmp_path / "run"),
    )  # fmt: skip
    assert len(shares) == 3 * (1 + 3) * 2
    assert min(shares[6:]) >= 0.75
    assert max(shares[:6]) < 0.75


def test_ranks_are_those_of_the_maps_and_of_test_images_too(done: Path, finished: Path) -> None:
    data, model = birds(num_parts=1, plan="all"), classifier()
    model.load_state_dict(torch.load(checkpoints_of(finished)[0], weights_only=True)["state_dict"])
    model.eval()
    ranks = load_ranks(RunFolder(done, {}), Order("Gradient", "Grid", "after"))
    assert ranks.shape == (NUM_POOL + NUM_TEST, 32, 32)
    for row, source, position in ((7, data.pool(), 7), (NUM_POOL + 3, data.test(), 3)):
        image, label = source[position]["image"][None], source[position]["label"][None]
        maps = magnitude(segment_pool(Gradient().attribute(model, image, label), Grid(16)(image)))
        expected = removal_ranks(maps, image)[0].numpy()
        # gradients of an image alone and in a batch differ in the last bit, and so may the order of two segments
        assert (ranks[row] == expected).mean() > 0.9
    chance = load_ranks(RunFolder(done, {}), Order("random", "pixel", "either"))
    assert np.array_equal(np.sort(chance.reshape(len(chance), -1), axis=1), np.tile(np.arange(1024), (len(chance), 1)))


def test_units_run_alone_and_are_collected_only_when_all_are_there(done: Path, finished: Path, tmp_path: Path) -> None:
    out, checkpoint = tmp_path / "array", checkpoints_of(finished)[0]
    run(out, "2/2", checkpoint)
    assert not (out / "results.csv").exists()
    with pytest.raises(
        ValueError, match=r"all 34 units in .*missing \['none_pixel_either_0percent_seed0'.* and 12 more"
    ):
        run(out, "collect", checkpoint)
    run(out, "1/2", checkpoint)
    run(out, "collect", checkpoint)
    pd.testing.assert_frame_equal(pd.read_csv(out / "results.csv"), pd.read_csv(done / "results.csv"))


def test_a_second_start_trains_nothing(done: Path, finished: Path, no_training: None) -> None:
    before = (done / "results.csv").read_text()
    run(done, checkpoint=checkpoints_of(finished)[0])
    assert (done / "results.csv").read_text() == before
    with pytest.raises(ValueError, match="`removal` to be roar"):
        run(done, checkpoint=checkpoints_of(finished)[0], removal="kar")


def test_figures_and_page(done: Path) -> None:
    assert {path.name for path in (done / "figures").iterdir()} == {"curves.png", "table_accuracy.png"}
    page = report(str(done)).read_text(encoding="utf-8")
    assert "ROAR: SmallResNet on SyntheticBirds" in page
    assert "by Sobel edges" in page


def test_nonsense_is_refused(tmp_path: Path) -> None:
    for percentages, expected in (
        ([0.0], "between 0 and 100"),
        ([120.0], "between 0 and 100"),
        ([30.0, 30.0], "different"),
    ):
        with pytest.raises(ValueError, match=expected):
            roar(
                birds(), classifier, quiet_trainer, [Gradient()], [Grid(4)], percentages=percentages,
                out=str(tmp_path / "run"),
            )  # fmt: skip
    assert not (tmp_path / "run").exists()
