"""A study of several plans: a model that plans share is trained and explained once; no number knows of other plans."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from torch import Tensor

from lightning_spx.attribution import Gradient
from lightning_spx.data import ArrayImages, LabelledImages, SyntheticBirdsDataModule
from lightning_spx.evaluation.maps.sampled_images import draw_images
from lightning_spx.evaluation.stability import summary
from lightning_spx.evaluation.training.study_plans import StudyPlan
from lightning_spx.models import ImageClassifier, SmallResNet
from lightning_spx.models.checkpoint_file import ModelFactory, load_checkpoint
from tests.small_study import (
    PASSES,
    CountedGradient,
    TrainedOn,
    all_images,
    all_labels,
    classifier,
    mean_ssim,
    results_of,
    study,
)

PLANS: list[StudyPlan] = ["seeds", "disjoint", "models"]
NAMES = ["repeat0-architecture1", "repeat0-model0", "repeat0-model1", "repeat0-seed1"]
METHODS = (CountedGradient(),)


class Unmasked(SyntheticBirdsDataModule):
    """Birds without masks, because where maps lie takes as long as how far they agree."""

    def _draw(self, stage: int, num_images: int) -> LabelledImages:
        images = super()._draw(stage, num_images)
        assert isinstance(images, ArrayImages)
        images.masks = None
        return images


def data() -> SyntheticBirdsDataModule:
    return Unmasked(num_train=60, num_test=24, num_classes=2, batch_size=10, num_parts=2, images_per_part=20)


def wider() -> ImageClassifier:
    return ImageClassifier(SmallResNet(num_classes=2, width=6))


def all_plans(out: Path, unit: str | None = None, callback: TrainedOn | None = None) -> Path:
    """Compare two seeds, two parts and two architectures in two shards of images."""
    return study(
        out,
        data(),
        METHODS,
        magnitudes=["after"],
        plans=PLANS,
        architectures=[wider],
        num_images=8,
        shard_size=4,
        unit=unit,
        callback=callback,
    )


@pytest.fixture(scope="module")
def trained_on() -> TrainedOn:
    return TrainedOn()


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory, trained_on: TrainedOn) -> Path:
    PASSES.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(summary, "report_stability", lambda *_: None)
        folder = all_plans(tmp_path_factory.mktemp("plans") / "run", callback=trained_on)
    # two shards of four images: a model explains them once, with its own seed, whichever plans it serves
    assert Counter(PASSES) == dict.fromkeys(range(4), 2)
    return folder


def values_of(folder: Path, first: str = "") -> pd.DataFrame:
    paths = sorted((folder / "per_image").glob(f"{first}repeat0_shard*.parquet"))
    return pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)


def test_each_model_is_trained_once_on_equally_many_images(compared: Path, trained_on: TrainedOn) -> None:
    assert sorted(path.stem for path in (compared / "checkpoints").glob("*.ckpt")) == NAMES
    # in the order of their numbers: two parts, a seed, an architecture
    first, second, seed, architecture = trained_on.images
    assert len(trained_on.images) == 4
    assert first.isdisjoint(second)
    own = set(data().use_part(0).train_indices().tolist())
    assert first <= own
    assert seed <= own
    assert architecture <= own
    assert len(set(trained_on.weights)) == 4
    facts = json.loads((compared / "run.json").read_text())["models"]
    assert {name: known["train_images"] for name, known in facts.items()} == dict.fromkeys(NAMES, 18)
    assert json.loads((compared / "splits.json").read_text())[0]["plan"] == "disjoint"


def test_every_plan_has_rows_of_its_own_which_say_what_differs(compared: Path) -> None:
    results = results_of(compared)
    assert results.drop_duplicates("plan").set_index("plan")["models"].to_dict() == {
        "seeds": "2 x SmallResNet, other seeds, same 18 images",
        "disjoint": "2 x SmallResNet, disjoint parts of 18 images",
        "models": "2 architectures, same 18 images",
    }
    assert results.groupby("plan").size().nunique() == 1
    assert set(values_of(compared, "seeds-")["plan"]) == {"seeds"}
    # all explain the same images
    assert len({tuple(sorted(values_of(compared, f"{plan}-")["index"].unique())) for plan in PLANS}) == 1


def test_numbers_of_a_plan_are_those_of_its_models_maps(compared: Path) -> None:
    drawn = draw_images(data(), 8, seed=0)
    further = {
        "seeds": ("repeat0-seed1", classifier),
        "disjoint": ("repeat0-model1", classifier),
        "models": ("repeat0-architecture1", wider),
    }

    def maps(name: str, make: ModelFactory) -> Tensor:
        model = load_checkpoint(compared / f"checkpoints/{name}.ckpt", make)
        return Gradient().attribute(model, all_images(drawn), all_labels(drawn))

    first = maps("repeat0-model0", classifier)
    expected = {plan: mean_ssim([first, maps(name, make)]) for plan, (name, make) in further.items()}
    rows = results_of(compared).query("superpixels == 'pixel' and metric == 'saliency_ssim' and pair == 'all'")
    assert rows.set_index("plan")["value"].to_dict() == pytest.approx(expected, abs=1e-5)
    assert len(set(expected.values())) == 3


@pytest.mark.usefixtures("no_figures")
def test_a_study_of_one_plan_alone_has_the_same_numbers(compared: Path, tmp_path: Path) -> None:
    alone = study(tmp_path / "alone", data(), METHODS, magnitudes=["after"], num_images=8, shard_size=4)
    assert sorted(path.stem for path in (alone / "checkpoints").glob("*.ckpt")) == NAMES[1:3]
    among, own = values_of(compared, "disjoint-"), values_of(alone)
    assert set(own["plan"]) == {""}
    pd.testing.assert_frame_equal(among.drop(columns="plan"), own.drop(columns="plan"), check_exact=True)
    results = results_of(compared).query("plan == 'disjoint'").drop(columns="models")
    expected = results_of(alone).drop(columns="models")
    pd.testing.assert_frame_equal(results.reset_index(drop=True), expected, check_exact=True)


@pytest.mark.usefixtures("no_training", "no_figures")
def test_what_is_missing_of_a_plan_is_made_and_no_more(compared: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(compared, tmp_path / "run"))
    (folder / "results.csv").unlink()
    (folder / "per_image" / "seeds-repeat0_shard0001_CountedGradient.parquet").unlink()
    PASSES.clear()
    all_plans(folder)
    assert Counter(PASSES) == {0: 1, 2: 1}
    pd.testing.assert_frame_equal(results_of(folder), results_of(compared), check_exact=True)


@pytest.mark.usefixtures("no_figures")
def test_starts_that_share_the_work_end_with_the_same_numbers(compared: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    all_plans(out, "2/2")
    assert sorted(path.stem for path in (out / "checkpoints").glob("*.ckpt")) == [NAMES[0], NAMES[2]]
    for unit in ("1/2", "2/2", None):
        all_plans(out, unit)
    pd.testing.assert_frame_equal(results_of(out), results_of(compared), check_exact=True)


@pytest.mark.usefixtures("no_training")
def test_plans_that_cannot_be_followed_are_refused_before_there_is_a_folder(tmp_path: Path) -> None:
    out = tmp_path / "run"
    few = SyntheticBirdsDataModule(num_train=60, num_test=24, num_classes=2, num_parts=2, images_per_part=40)
    with pytest.raises(ValueError, match="Expected 2 parts of 40 images, without common images, to be at most the 60"):
        study(out, few, plans=["seeds", "disjoint"])
    with pytest.raises(
        ValueError, match="`architectures` with as many outputs as `model`, got one output beside several"
    ):
        study(
            out,
            data(),
            plans=["models"],
            architectures=[lambda: ImageClassifier(SmallResNet(num_classes=1, width=4))],
        )
    assert not out.exists()
