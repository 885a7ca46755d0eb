"""Several evaluators in one Trainer: each logs, writes and restores what it does alone, under its name."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor

from lightning_spx.attribution import Gradient, InputXGradient
from lightning_spx.evaluation import SaliencyEvaluator
from lightning_spx.superpixels import Voronoi
from tests.evaluation.callbacks.evaluator_cases import QUIET, Stranger, evaluator, fit, loader, reference

SSIM = "saliency_ssim/Gradient"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pair(folder: Path, names: tuple[str, str] = ("drift", "others")) -> list[SaliencyEvaluator]:
    """Two evaluators that differ in all that changes numbers."""
    return [
        evaluator(references=["previous"], num_images=9, name=names[0], num_resamples=20),
        evaluator(
            references=[reference(folder)],
            methods=[Gradient(), InputXGradient()],
            superpixels=[Voronoi(9)],
            magnitude="before",
            seed=5,
            name=names[1],
            num_resamples=20,
        ),
    ]


def logged_by(trainer: Trainer, start: str) -> dict[str, float]:
    found = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith(start)}
    return {name.removeprefix(start): value for name, value in found.items()}


def test_each_logs_and_writes_what_it_does_alone(tmp_path: Path) -> None:
    both = pair(tmp_path)
    _, trainer = fit(list(both), settings={"logger": CSVLogger(tmp_path / "both"), "num_sanity_val_steps": 0})
    for place, name in enumerate(("drift", "others")):
        alone = pair(tmp_path, ("", ""))[place]
        _, own = fit([alone], settings={"logger": CSVLogger(tmp_path / name), "num_sanity_val_steps": 0})
        assert both[place].history == alone.history
        expected = logged_by(own, "val/")
        assert expected
        assert logged_by(trainer, f"val/{name}/") == expected
        together = tmp_path / "both/lightning_logs/version_0" / f"saliency-{name}"
        single = tmp_path / name / "lightning_logs/version_0/saliency"
        files = sorted(path.relative_to(single) for path in single.rglob("*") if path.is_file())
        assert files == sorted(path.relative_to(together) for path in together.rglob("*") if path.is_file())
        for file in files:
            assert (single / file).read_bytes() == (together / file).read_bytes()
    named = [key for key in trainer.callback_metrics if "saliency_ssim" in key]
    assert all(key.startswith(("val/drift/", "val/others/")) for key in named)


def test_one_may_have_no_name_and_its_keys_stay_as_they_are() -> None:
    _, trainer = fit([evaluator(), evaluator(name="b", seed=1)])
    assert logged_by(trainer, f"val/{SSIM}")
    assert logged_by(trainer, f"val/b/{SSIM}")
    assert (Path("saliency/history.csv").is_file(), Path("saliency-b/history.csv").is_file()) == (True, True)


def test_a_resumed_training_restores_the_history_of_each(tmp_path: Path) -> None:
    def train(epochs: int, ckpt_path: str | None = None) -> tuple[list[SaliencyEvaluator], Trainer]:
        # equal but for their names and seeds
        both = [evaluator(name=name, seed=seed, num_resamples=20) for seed, name in enumerate(("a", "b"))]
        trainer = Trainer(**{**QUIET, "max_epochs": epochs, "callbacks": list(both), "num_sanity_val_steps": 0})
        torch.manual_seed(0)
        trainer.fit(Stranger(dropout=0.0), loader(), loader(), ckpt_path=ckpt_path)
        return both, trainer

    whole, _ = train(3)
    first, trainer = train(2)
    trainer.save_checkpoint(tmp_path / "two.ckpt")
    second, _ = train(3, str(tmp_path / "two.ckpt"))
    assert first[0].history != first[1].history
    assert [each.history for each in second] == [each.history for each in whole]


def test_predictions_hold_the_maps_of_each() -> None:
    class Predicting(Stranger):
        def predict_step(self, batch: list[Tensor], batch_idx: int) -> dict[str, Tensor]:
            return {"logits": self(batch[0])}

    both = [evaluator(name="a"), evaluator(methods=[InputXGradient()], name="b")]
    (batch,) = Trainer(**{**QUIET, "callbacks": list(both)}).predict(Predicting(), loader(6)) or []
    assert isinstance(batch, dict)
    assert {"saliency-a", "saliency-b"} < batch.keys()
    for name, method in (("a", "Gradient"), ("b", "InputXGradient")):
        kept = np.load(f"saliency-{name}/predictions/batch_0_000000_0.npz")
        assert np.array_equal(kept[method], batch[f"saliency-{name}"][method])
        assert method in kept.files


def test_test_logs_under_the_name(tmp_path: Path) -> None:
    trainer = Trainer(**{**QUIET, "callbacks": list(pair(tmp_path))})
    logged = trainer.test(Stranger(), loader(), verbose=False)[0]
    assert f"test/others/{SSIM}/value" in logged
    assert not any(name.startswith("test/saliency") for name in logged)
    assert Path("saliency-others/test_results.csv").is_file()
    assert {"value", "pair"} <= set(pd.read_csv("saliency-others/test_results.csv").columns)


@pytest.mark.parametrize("names", [("a", "a"), ("", ""), ("a", "A")])
def test_two_of_one_name_are_refused_before_training(names: tuple[str, str]) -> None:
    class Counting(Stranger):
        steps = 0

        def training_step(self, batch: Sequence[Tensor], batch_idx: int) -> Tensor:
            self.steps += 1
            return super().training_step(batch, batch_idx)

    module = Counting()
    with pytest.raises(ValueError, match=r"to have a name of its own, got 2 with '.*': set `name`") as error:
        fit([evaluator(name=name, seed=seed) for seed, name in enumerate(names)], module)
    assert (module.steps, "\n" in str(error.value)) == (0, False)


def test_one_folder_for_two_is_refused() -> None:
    with pytest.raises(ValueError, match=r"to have a folder `out` of its own, got .*results for 2"):
        fit([evaluator(name="a", out="results"), evaluator(name="b", out="./results")])


@pytest.mark.parametrize("name", ["a/b", "..", ".", "a b", "v1", "a-v12", "é", "mege", "pointing_game", "a\n"])
def test_names_that_are_no_plain_words_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="Expected `name` to be a word of letters, digits"):
        evaluator(name=name)


@pytest.mark.parametrize("name", ["a", "part_1", "v1.5", "other-data", "2", "v1a"])
def test_plain_words_are_names(name: str) -> None:
    assert evaluator(name=name).settings.stage("val") == f"val/{name}"


@pytest.mark.parametrize(
    ("monitor", "names"),
    [
        (f"val/{SSIM}/value", ["a", "b"]),  # the name is missing
        ("val/a/saliency_ssim/Gradiant", ["a", "b"]),
        (f"test/b/{SSIM}/value", ["a", "b"]),
        ("val/saliency_ssim/Gradiant", ["a", ""]),
    ],
)
def test_a_monitored_number_that_none_logs_is_refused(monitor: str, names: list[str]) -> None:
    with pytest.raises(ValueError, match="Expected `monitor` of EarlyStopping to be a number that SaliencyEvaluator"):
        fit([*(evaluator(name=name) for name in names), EarlyStopping(monitor)])


def test_a_number_of_a_named_one_can_be_monitored(tmp_path: Path) -> None:
    stop = EarlyStopping(f"val/b/{SSIM}/value", mode="max", patience=1, min_delta=2.0)
    keep = ModelCheckpoint(tmp_path / "best", monitor=f"val/b/{SSIM}/value", mode="max")
    both = [evaluator(name="a"), evaluator(name="b", references=[reference(tmp_path)])]
    module: LightningModule
    module, trainer = fit([*both, stop, keep], settings={"max_epochs": 9, "enable_checkpointing": True})
    assert trainer.current_epoch == 2
    assert float(keep.best_model_score or 0) == pytest.approx(max(float(row[SSIM]) for row in both[1].history))
    drift = EarlyStopping(f"val/a/{SSIM}/value")
    with pytest.raises(ValueError, match="begins with the second evaluation"):
        fit([*both, drift], module)
