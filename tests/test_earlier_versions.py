"""A run folder, a checkpoint and the import paths of commit 3addd89, which came before the rooms of today.

`tests/earlier/3addd89.zip` holds what its `spx stability` and `spx fit` wrote, without the figures.
"""

import importlib
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from lightning_spx.attribution import Gradient
from lightning_spx.cli import COMMANDS, main
from lightning_spx.models import ImageClassifier
from tests.command_line import refusal

ARCHIVE = Path(__file__).with_name("earlier") / "3addd89.zip"
PUBLIC = {
    "superpixels": "Cached Felzenszwalb Grid Precomputed Quickshift ScikitSlic Segmenter Slic Voronoi Watershed "
    "WithSegments achievable_accuracy blur_like borrow boundary_recall check_images check_segments "
    "compactness grid_like image_key num_segments segment_pool undersegmentation_error voronoi_like",
    "attribution": "AdaptiveIntegratedGradients Attribution FromCaptum GradCAM Gradient InputXGradient "
    "IntegratedGradients MoreauGrad PathIntegral SmoothGrad SparsifiedSmoothGrad VarGrad "
    "adaptive_integrated_gradients completeness_gap input_gradient integrated_gradients is_constant "
    "magnitude saliency_map",
    "metrics": "IROF ROAD Deletion Distance FidelityError ImageMean Insertion MaskAUC MassAccuracy MeGe "
    "PointingGame ReCo SaliencySSIM Substrate TopKOverlap average_ranks deletion fidelity_error impute "
    "insertion irof map_distance mask_auc mass_accuracy mege mege_from_distances pair_distances "
    "pair_sets pointing_game reco reco_from_distances removal_ranks road saliency_ssim spearman "
    "topk_overlap",
    "data": "ArrayImages Background BirdsDataModule CIFAR10DataModule ImageDataModule ImageFolderDataModule "
    "LabelledImages RemovedPixels Split SyntheticBirdsDataModule UnpairedDataModule disjoint_parts "
    "folds labels_hash load_splits make_split read_mask replace_background save_splits stratified_draw",
    "models": "CycleGAN ImageClassifier Normalize Part PatchDiscriminator PatchScore Region ResNetGenerator "
    "SeparationAUC SmallResNet cascading_randomisation cifar_resnet18 pretrained separation_auc",
    "reporting": "Gallery MethodMaps Page PhotoMaps finish front_figure log_config log_figure log_folder "
    "log_map_table log_picture log_scalars log_segmented log_summary log_table map_grid map_panel "
    "maps_grid mege_table method_name outline_segments pair_cells pairs_figure partitions_figure "
    "photo_figure picture_of removal_cells removal_curves render_page stability_bars stability_table "
    "survives table_figure text_table tradeoff_cells verdict without_controls",
    "evaluation": "SaliencyEvaluator TranslationGrid stability",
}


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path)
    return tmp_path


@pytest.mark.parametrize("room", PUBLIC)
def test_every_public_import_path_still_leads_somewhere(room: str) -> None:
    module = importlib.import_module(f"lightning_spx.{room}")
    assert not set(PUBLIC[room].split()) - set(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


def test_every_command_is_still_there() -> None:
    assert set(COMMANDS) >= {"stability", "roar", "tradeoff", "explain", "segment", "bench", "report", "rerun"}


def test_a_checkpoint_gives_the_logits_and_gradients_that_it_gave(earlier: Path) -> None:
    model = ImageClassifier.load_from_checkpoint(earlier / "fit/last.ckpt", map_location="cpu").eval()
    images = torch.linspace(0, 1, 2 * 3 * 32 * 32).view(2, 3, 32, 32)
    expected = torch.tensor([[0.0951482, 0.2123859], [0.0750263, 0.1692229]])
    torch.testing.assert_close(model(images), expected, atol=1e-5, rtol=0)
    strength = Gradient().attribute(model, images, torch.tensor([0, 1])).abs().mean((1, 2, 3))
    torch.testing.assert_close(strength, torch.tensor([4.387034e-4, 4.159608e-4]), atol=1e-7, rtol=1e-3)


def test_training_goes_on_from_a_checkpoint(earlier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(earlier)
    main(
        [
            *("fit", "--data=SyntheticBirdsDataModule", "--data.num_train=40", "--data.num_test=12"),
            *("--data.num_classes=2", "--data.batch_size=10", "--data.image_size=32"),
            *("--model=ImageClassifier", "--model.network=lightning_spx.models.SmallResNet"),
            *("--model.network.num_classes=2", "--model.network.width=8", "--trainer.max_epochs=2"),
            *("--trainer.accelerator=cpu", "--trainer.logger=false", "--trainer.enable_progress_bar=false"),
            *("--trainer.callbacks=lightning_spx.evaluation.SaliencyEvaluator", "--trainer.callbacks.num_images=4"),
            "--ckpt_path=fit/last.ckpt",
        ]
    )
    resumed = torch.load(next(earlier.glob("checkpoints/*.ckpt")), weights_only=True)
    assert (resumed["epoch"], resumed["global_step"]) == (1, 2)


def test_a_study_goes_on_in_its_folder_without_training(
    earlier: Path, no_training: None, capsys: pytest.CaptureFixture[str]
) -> None:
    before = pd.read_csv(earlier / "run/results.csv")
    main(["stability", f"--config={earlier / 'run/config.yaml'}", f"--out={earlier / 'run'}"])
    after = pd.read_csv(earlier / "run/results.csv")
    after = after[after["condition"] == "all"].reset_index(drop=True)
    names = ["pair", "method", "superpixels", "magnitude", "metric"]
    pd.testing.assert_frame_equal(after[names], before[names])
    numbers = ["value", "floor", "num_images", "mean_segments"]
    pd.testing.assert_frame_equal(after[numbers], before[numbers], atol=1e-9, rtol=0)
    main(["report", str(earlier / "run")])
    page = (earlier / "run/report.html").read_text(encoding="utf-8")
    assert "SmallResNet on SyntheticBirds" in page
    assert "Expected" not in capsys.readouterr().err


def test_a_study_of_other_settings_is_refused_in_that_folder(earlier: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["stability", f"--config={earlier / 'run/config.yaml'}", f"--out={earlier / 'run'}", "--seed=1"]
    assert "Expected `seed` to be 0 as in the earlier run" in refusal(capsys, words)
    assert yaml.safe_load((earlier / "run/config.yaml").read_text())["seed"] == 0
