"""Methods that compare an image with others get training images wherever a data module is at hand."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import cast

import pytest
import torch
import yaml
from lightning import LightningDataModule
from torch import Tensor, nn
from torchvision.io import write_jpeg

from lightning_spx.attribution import Attribution, ExpectedGradients, Gradient, SmoothGrad, expected_gradients
from lightning_spx.evaluation import SaliencyEvaluator, stability
from lightning_spx.evaluation.ensemble import ensemble
from lightning_spx.evaluation.roar import roar
from lightning_spx.evaluation.roar.orders import RankingSettings
from lightning_spx.evaluation.tradeoff import tradeoff
from lightning_spx.evaluation.training.named_networks import NamedNetwork
from lightning_spx.evaluation.training.training_images import draw_training_images, with_training_images
from lightning_spx.models import SmallResNet
from lightning_spx.runs.example_maps import Examples
from lightning_spx.superpixels import Grid
from tests.small_study import birds, classifier, quiet_trainer, study

METHOD = ExpectedGradients(num_samples=3, num_references=5, seed=4)


def test_training_images_are_drawn_by_class_and_as_they_are() -> None:
    data = birds()
    images = draw_training_images(data, 10, seed=0)
    pool = [data.pool()[position] for position in range(60)]
    places = [next(p for p, each in enumerate(pool) if torch.equal(each["image"], image)) for image in images]
    assert len(set(places)) == 10
    assert sum(int(pool[place]["label"]) for place in places) == 5
    assert torch.equal(draw_training_images(data.use_part(1, seed=3), 10, seed=0), images)
    assert not torch.equal(draw_training_images(data, 10, seed=1), images)
    assert len(draw_training_images(data, 100, seed=0)) == 60


def test_methods_without_need_stay_and_others_need_images() -> None:
    plain = {"Gradient": Gradient()}
    assert with_training_images(plain, None)["Gradient"] is plain["Gradient"]
    for data, got in ((None, "none"), (LightningDataModule(), "LightningDataModule")):
        with pytest.raises(
            ValueError, match=f"Expected an ImageDataModule, whose training images own compares .* {got}"
        ):
            with_training_images({"own": SmoothGrad(METHOD)}, data)


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Weights of four untrained models."""
    folder = tmp_path_factory.mktemp("members")
    files = [folder / f"{number}.pth" for number in range(4)]
    for number, file in enumerate(files):
        torch.manual_seed(number)
        torch.save(classifier().state_dict(), file)
    return files


def untrained(file: Path) -> nn.Module:
    model = classifier()
    model.load_state_dict(torch.load(file, weights_only=True))
    return model.eval()


def test_a_stability_study_compares_all_models_with_the_same_training_images(
    members: list[Path], tmp_path: Path
) -> None:
    folder = study(tmp_path / "run", methods=[METHOD], checkpoints=members[:3], noise="shared", magnitudes=["after"])
    examples = Examples.load(Examples.path(folder, "ExpectedGradients"))
    images, references = torch.from_numpy(examples.images), draw_training_images(birds(), 5, seed=4)
    for file, maps in zip(members, torch.from_numpy(examples.attributions), strict=False):
        of_class = torch.stack([explained(untrained(file), images, label, references) for label in range(2)])
        # the examples do not say which class was explained
        apart = (of_class - maps).abs().amax((2, 3, 4)).amin(0)
        assert float(apart.max()) < 1e-4 * float(maps.abs().max())
    # what the run remembers is what the user chose, so another start finds the same settings
    assert yaml.safe_load((folder / "config.yaml").read_text())["methods"] == [repr(METHOD)]
    assert "tensor(" not in (folder / "run.json").read_text()


def explained(network: nn.Module, images: Tensor, label: int, references: Tensor) -> Tensor:
    return expected_gradients(network, images, label, references, num_samples=3, seed=4)


class MethodsGivenError(Exception):
    """Ends a command when its methods are known."""

    def __init__(self, methods: Mapping[str, Attribution]) -> None:
        super().__init__("the methods are known")
        self.methods = methods


def of_study(**given: object) -> None:
    raise MethodsGivenError(cast(dict[str, Attribution], given["methods"]))


def of_ranking(*given: object) -> None:
    raise MethodsGivenError(cast(RankingSettings, given[-1]).methods)


def start_tradeoff(files: list[str], out: str) -> None:
    made = birds(num_parts=2), classifier, quiet_trainer
    tradeoff(*made, [METHOD], [Grid(9)], ["after"], checkpoints=files[:2], num_images=8, out=out)


def start_ensemble(files: list[str], out: str) -> None:
    made = birds("all"), classifier, quiet_trainer
    ensemble(*made, [METHOD], [Grid(9)], ["after"], checkpoints=files, num_images=8, out=out)


def start_roar(files: list[str], out: str) -> None:
    roar(birds("all", num_parts=1), classifier, quiet_trainer, [METHOD], [Grid(9)], checkpoint=files[0], out=out)


@pytest.mark.parametrize(
    ("start", "replaced", "stop"),
    [
        (start_tradeoff, "tradeoff.command.TradeoffStudy", of_study),
        (start_ensemble, "ensemble.command.EnsembleStudy", of_study),
        (start_roar, "roar.command.rank_images", of_ranking),
    ],
    ids=["tradeoff", "ensemble", "roar"],
)
def test_the_other_studies_do_so_too(
    start: Callable[[list[str], str], None],
    replaced: str,
    stop: Callable[..., None],
    members: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module, _, name = f"lightning_spx.evaluation.{replaced}".rpartition(".")
    monkeypatch.setattr(import_module(module), name, stop)
    with pytest.raises(MethodsGivenError) as ended:
        start([str(file) for file in members], str(tmp_path / "run"))
    given = ended.value.methods["ExpectedGradients"]
    assert isinstance(given, ExpectedGradients)
    assert given.references is not None
    assert torch.equal(given.references, draw_training_images(birds(), 5, seed=4))


def test_photos_have_no_training_images(tmp_path: Path) -> None:
    write_jpeg(torch.full((3, 16, 16), 120, dtype=torch.uint8), str(tmp_path / "0.jpg"))
    networks = [NamedNetwork(SmallResNet(width=4), name) for name in "ab"]
    with pytest.raises(ValueError, match="whose training images ExpectedGradients compares with, got none"):
        stability(
            birds(),
            classifier,
            quiet_trainer,
            [METHOD],
            [Grid(9)],
            ["after"],
            [],
            models=networks,
            images=[str(tmp_path)],
            num_images=2,
            out=str(tmp_path / "run"),
        )
    assert not (tmp_path / "run").exists()


def test_the_callback_takes_them_from_its_trainers_data_module(tmp_path: Path) -> None:
    evaluator = SaliencyEvaluator([METHOD], [Grid(9)], num_images=4, num_resamples=20, out=tmp_path)
    before = evaluator.settings
    trainer = quiet_trainer(evaluator)
    trainer.validate(classifier(), datamodule=birds(), verbose=False)
    given = evaluator.settings.methods["ExpectedGradients"]
    assert isinstance(given, ExpectedGradients)
    assert given.references is not None
    assert torch.equal(given.references, draw_training_images(birds(), 5, seed=4))
    assert evaluator.settings.describe() == before.describe()
    # another data module, and none at all
    trainer.validate(classifier(), datamodule=birds(data_seed=1), verbose=False)
    other = evaluator.settings.methods["ExpectedGradients"]
    assert isinstance(other, ExpectedGradients)
    assert other.references is not None
    assert not torch.equal(other.references, given.references)
    loader = birds().test_dataloader()
    with pytest.raises(ValueError, match="whose training images ExpectedGradients compares with, got none"):
        quiet_trainer(evaluator).validate(classifier(), loader, verbose=False)
