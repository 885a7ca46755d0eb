"""A map of the network changes when the network forgets; a map of the image does not, and is marked."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from lightning_spx.attribution import Attribution, Gradient, saliency_map
from lightning_spx.attribution.method import Model
from lightning_spx.evaluation import stability
from lightning_spx.evaluation.commands.report import report
from lightning_spx.evaluation.statistics.sanity import sanity_sentences
from lightning_spx.metrics import saliency_ssim
from lightning_spx.models import cascading_randomisation
from lightning_spx.reporting import survives
from lightning_spx.reporting.reference_rows import is_reference
from lightning_spx.superpixels import Grid
from tests.small_study import NUM_IMAGES, birds, checkpoints_of, classifier, quiet_trainer


@dataclass(frozen=True)
class EdgesOfTheImage(Attribution):
    """Knows nothing of the model."""

    def attribute(self, model: Model, inputs: Tensor, target: Tensor | None) -> Tensor:
        return inputs - inputs.mean((2, 3), keepdim=True)


def test_rows_marks_and_values(finished: Path, tmp_path: Path) -> None:
    checkpoints = [str(path) for path in checkpoints_of(finished)]
    folder = stability(
        birds(),
        classifier,
        quiet_trainer,
        [Gradient(), EdgesOfTheImage()],
        [Grid(16)],
        ["after"],
        [],
        checkpoints=checkpoints,
        num_images=NUM_IMAGES,
        sanity_stages=2,
        num_resamples=200,
        out=str(tmp_path / "run"),
    )
    results = pd.read_csv(folder / "results.csv")
    rows = results[(results["metric"] == "sanity_ssim") & (results["pair"] == "all")]
    assert set(rows["setting"]) == {"randomised=53%", "randomised=100%"}  # 10 of 19 layers
    assert rows[["gain", "gain_low", "best_control"]].isna().all(axis=None)
    assert set(rows["superpixels"]) >= {"pixel", "Grid", "control:blur(Grid)"}
    image = rows[rows["method"] == "EdgesOfTheImage"]
    assert (image["value"] > 0.999).all()
    # all images have the same centre, so that chance is perfect there
    of_models = image[~image["superpixels"].map(is_reference)]
    assert of_models[of_models["setting"] == "randomised=100%"].apply(survives, axis=1).all()
    assert "EdgesOfTheImage, pixel" in sanity_sentences(results)[0]
    # the gradient's value by hand: every model against itself with all layers drawn anew
    values = []
    data = birds()
    drawn = pd.read_parquet(folder / "sanity" / "repeat0_shard0000_Gradient.parquet")
    index = drawn["index"].unique().tolist()
    images = torch.stack([data.test()[position]["image"] for position in index])
    label = torch.tensor([int(data.test()[position]["label"]) for position in index])
    for number, path in enumerate(checkpoints):
        model = classifier()
        model.load_state_dict(torch.load(path, weights_only=True)["state_dict"])
        (_, forgetful) = list(cascading_randomisation(model.eval(), 2, seed=number))[1]
        first, second = (saliency_map(Gradient().attribute(each, images, label)) for each in (model, forgetful))
        values.append(saliency_ssim(first, second).mean().item())
    found = rows[(rows["method"] == "Gradient") & (rows["superpixels"] == "pixel")].set_index("setting")["value"]
    assert abs(found["randomised=100%"] - sum(values) / len(values)) < 1e-5
    page = report(str(folder)).read_text(encoding="utf-8")
    assert "survive the randomisation of all layers" in page
    assert "SURVIVES randomisation" in page


def test_a_study_without_checks_has_no_rows(finished: Path) -> None:
    results = pd.read_csv(finished / "results.csv")
    assert not (results["metric"] == "sanity_ssim").any()
    assert sanity_sentences(results) == []
