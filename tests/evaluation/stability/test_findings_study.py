"""A study of models that say findings each by itself, from images to page: numbers are of an image and a finding."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from lightning_spx.attribution import Attribution, Gradient, SmoothGrad, saliency_map
from lightning_spx.evaluation.commands.report import report
from lightning_spx.evaluation.maps.findings import Targets
from lightning_spx.evaluation.maps.sampled_images import SampledImages
from lightning_spx.evaluation.maps.shards import make_shards
from lightning_spx.evaluation.stability import summary
from lightning_spx.evaluation.stability.rounds import Round
from lightning_spx.evaluation.stability.settings import StudySettings
from lightning_spx.evaluation.stability.study import Study
from lightning_spx.evaluation.stability.summary import conclude
from lightning_spx.evaluation.training.study_models import StudyModel
from lightning_spx.metrics import saliency_ssim
from lightning_spx.reporting.rows import finding_of, of_condition, over_findings
from lightning_spx.runs.folder import open_run_folder
from lightning_spx.runs.record import RunRecord
from lightning_spx.superpixels import Grid
from tests.pictures import blank

GRADIENT: Mapping[str, Attribution] = {"Gradient": Gradient()}
FINDINGS = ("wing", "<b>crest</b>", "tail")
NUM_IMAGES, SIZE, NUM_MODELS, SEED = 16, 16, 2, 3


def images() -> Tensor:
    return torch.rand(NUM_IMAGES, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


class Corners(nn.Module):
    """One logit for each finding, from products of pixels, so that its gradient depends on the image."""

    def __init__(self, number: int, num_findings: int, binary: bool = False) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(number)
        self.weight = nn.Parameter(torch.randn(num_findings, 3 * SIZE * SIZE, generator=generator))
        self.binary = binary

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = nn.functional.linear(inputs.flatten(1).square() - 0.3, self.weight)
        return logits.flatten() if self.binary else logits


def label() -> Tensor:
    """Labels as a mean model would give them, with one that is not said."""
    with torch.no_grad():
        logits = Corners(0, 3)(images()) + Corners(1, 3)(images())
    labels: Tensor = (logits > 0).float()
    labels[3, 1] = torch.nan
    return labels


def drawn(findings: Sequence[str] = FINDINGS, labels: Tensor | None = None) -> SampledImages:
    inside = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    inside[:8, 4:] = True
    return SampledImages(
        name="birds",
        fingerprint="made by hand",
        sample=lambda number: {"image": images()[number - 100], "mask": inside},
        index=torch.arange(100, 100 + NUM_IMAGES),
        label=label() if labels is None else labels,
        num_classes=len(findings),
        has_mask=True,
        findings=tuple(findings),
    )


def study(out: Path, targets: Targets = "present", shard_size: int = 8, batch_size: int = 5) -> Study:
    return made(out, drawn(), targets, lambda number: Corners(number, 3), shard_size, batch_size)


def made(
    out: Path,
    images: SampledImages,
    targets: Targets,
    model: Callable[[int], nn.Module],
    shard_size: int = 8,
    batch_size: int = 5,
    methods: Mapping[str, Attribution] = GRADIENT,
    sanity_stages: int = 0,
) -> Study:
    """What a command does to measure models of findings: the images say their names, the study gets the targets."""
    run = open_run_folder(out, {"seed": SEED})
    record = RunRecord.open(run, {"seed": SEED, "fingerprint": images.fingerprint})
    settings = StudySettings(
        methods=methods,
        superpixels={"Grid": Grid(16)},
        magnitudes=["after"],
        distances=["l2"],
        shared_noise=False,
        batch_size=batch_size,
        device=torch.device("cpu"),
        seed=SEED,
        sanity_stages=sanity_stages,
        num_resamples=20,
    )
    members = [StudyModel(0, number, number) for number in range(NUM_MODELS)]
    return Study(
        run=run,
        record=record,
        drawn=images,
        shards=make_shards(len(images), shard_size, SEED),
        rounds=[Round(members, lambda member: model(member.number), None, "a study")],
        settings=settings,
        target="label" if images.findings else "output",
        targets=targets,
    )


def finish(one: Study) -> Path:
    one.explain(range(len(one.shards)))
    one.record.content["models"] = {f"model {number}": {} for number in range(NUM_MODELS)}
    conclude(one, "birds", {"": "2 x Corners"}, ["a", "b"], [])
    return one.run.path


def whole(out: Path) -> Study:
    methods = {**GRADIENT, "SmoothGrad": SmoothGrad(num_samples=2)}
    return made(out, drawn(), "present", lambda number: Corners(number, 3), methods=methods, sanity_stages=1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(summary, "report_stability", lambda *_: None)
        return finish(whole(tmp_path_factory.mktemp("findings") / "run"))


def values_in(folder: Path, kind: str = "per_image") -> pd.DataFrame:
    return pd.concat([pd.read_parquet(path) for path in sorted((folder / kind).iterdir())], ignore_index=True)


def results_in(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "results.csv").fillna({"setting": ""})


def test_there_is_a_row_over_all_and_one_for_each_finding(finished: Path) -> None:
    results = of_condition(results_in(finished))
    assert len(results) == 4 * len(over_findings(results)) - 3 * (results["pair"] != "all").sum()
    rows = results[
        (results["superpixels"] == "Grid") & (results["method"] == "SmoothGrad") & (results["pair"] == "all")
    ]
    for metric in ("saliency_ssim", "topk_overlap", "mege", "reco", "mass_accuracy", "sanity_ssim"):
        own = rows[rows["metric"] == metric]
        assert [finding_of(setting) for setting in own["setting"]] == ["", *FINDINGS]


def test_items_are_the_findings_that_are_present(finished: Path) -> None:
    values = values_in(finished)
    rows = values[
        (values["metric"] == "saliency_ssim") & (values["superpixels"] == "Grid") & (values["method"] == "Gradient")
    ]
    expected = {(100 + int(image), FINDINGS[int(finding)]) for image, finding in (label() == 1).nonzero()}
    assert set(zip(rows["index"], rows["finding"], strict=True)) == expected
    assert len(rows) == len(expected)
    results = of_condition(results_in(finished))
    ssim = results[
        (results["metric"] == "saliency_ssim") & (results["superpixels"] == "Grid") & (results["method"] == "Gradient")
    ]
    for _, row in ssim.iterrows():
        finding = finding_of(row["setting"])
        own = rows[rows["finding"] == finding] if finding else rows
        assert row["value"] == pytest.approx(own["value"].mean(), abs=1e-12)
        assert row["num_images"] == own["index"].nunique()


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("targets", ["predicted", ["tail"]])
def test_sets_and_maps_are_those_of_each_models_own_logit(targets: Targets, tmp_path: Path) -> None:
    folder = finish(study(tmp_path / "run", targets))
    values = values_in(folder)
    rows = values[
        (values["metric"] == "saliency_ssim") & (values["superpixels"] == "pixel") & (values["method"] == "Gradient")
    ]
    with torch.no_grad():
        logits = torch.stack([Corners(number, 3)(images()) for number in range(NUM_MODELS)])
    pred, true = logits > 0, label()
    wanted = torch.tensor([[False, False, True]] * NUM_IMAGES) if isinstance(targets, list) else pred.any(0)
    assert len(rows) == int(wanted.sum())
    for _, row in rows.iterrows():
        image, finding = row["index"] - 100, FINDINGS.index(row["finding"])
        assert wanted[image, finding]
        counts = targets != "predicted" or bool(pred[:, image, finding].all())
        assert np.isnan(row["value"]) == (not counts)
        right = [bool(pred[model, image, finding] == true[image, finding]) for model in range(NUM_MODELS)]
        assert row["agree"] == (counts and all(right))
    # the maps of an item are the gradients of its finding's logit
    item = rows.dropna(subset="value").iloc[0]
    image, finding = int(item["index"]) - 100, FINDINGS.index(item["finding"])
    maps = []
    for number in range(NUM_MODELS):
        one = images()[[image]].requires_grad_()
        (gradient,) = torch.autograd.grad(Corners(number, 3)(one)[0, finding], one)
        maps.append(saliency_map(gradient))
    assert item["value"] == pytest.approx(saliency_ssim(maps[0], maps[1]).item(), abs=1e-5)


@pytest.mark.usefixtures("no_figures")
def test_shards_and_batches_change_no_value_of_an_item(finished: Path, tmp_path: Path) -> None:
    folder = finish(study(tmp_path / "run", shard_size=16, batch_size=3))
    keys = ["method", "pair", "metric", "setting", "index", "finding"]
    columns = [*keys, "agree", "differ", "value", "permuted"]
    own, other = (values_in(each) for each in (finished, folder))
    own, other = (each.query("superpixels == 'Grid' and method == 'Gradient'") for each in (own, other))
    own, other = (each.astype({"finding": str}) for each in (own, other))
    own, other = (each.sort_values(keys, ignore_index=True)[columns] for each in (own, other))
    pd.testing.assert_frame_equal(own, other, rtol=0, atol=1e-5)


@pytest.mark.usefixtures("no_figures")
def test_a_single_finding_gives_the_results_of_binary_models_bit_for_bit(tmp_path: Path) -> None:
    labels = label()[:, [0]]
    single = made(tmp_path / "single", drawn(["wing"], labels), ["wing"], lambda number: Corners(number, 1))
    classes = replace(drawn(["wing"], labels), label=labels[:, 0].long(), findings=())
    binary = made(tmp_path / "binary", classes, "present", lambda number: Corners(number, 1, binary=True))
    own, expected = (results_in(finish(each)) for each in (single, binary))
    pd.testing.assert_frame_equal(over_findings(own).reset_index(drop=True), expected, check_exact=True)
    assert "finding" not in values_in(tmp_path / "binary")


def test_the_console_shows_all_findings_together_and_below_each_by_itself(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = whole(finished)
    with blank():
        conclude(one, "birds", {"": "2 x Corners"}, ["a", "b"], [], all_tables=True)
    shown = capsys.readouterr().out
    assert shown.count("SSIM of saliency maps between models, finding by finding") == 1
    before, below = shown.partition("SSIM of saliency maps between models, finding by finding")[::2]
    main = before.rpartition("SSIM of saliency maps between models")[2]
    # two methods, by pixel, pooled, and beside two maps of no model
    assert (
        sum(
            line.lstrip().startswith(("Gradient", "S-Gradient", "SmoothGrad", "S-SmoothGrad"))
            for line in main.splitlines()
        )
        == 8
    )
    rows = [line for line in below.partition("One row for each method")[0].splitlines() if " S-" in line]
    assert len(rows) == 3 * 2
    assert sum("<b>crest</b>" in line for line in rows) == 2


def test_the_page_shows_names_of_findings_as_text(finished: Path, tmp_path: Path) -> None:
    page = report(str(finished), str(tmp_path / "page.html")).read_text()
    assert "SSIM of saliency maps between models, finding by finding" in page
    assert re.search(r'<th scope="row">&lt;b&gt;crest&lt;/b&gt;', page)
    assert "<b>crest" not in page
    numbers = over_findings(results_in(finished))[["metric", "setting"]].query("metric != ''").drop_duplicates()
    # SSIM stands first; from a list are chosen the others, numbers given the models' answers, what SSIM's spread is,
    # and what is left of the correlation
    results = over_findings(results_in(finished))
    conditioned = results[results["condition"] != "all"][["metric", "setting"]].drop_duplicates()
    assert page.count("<option value=") == len(numbers) - 1 + len(conditioned) + 2


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (["beak"], r"Expected `targets` to be present, predicted or a list of findings among wing, .*got \['beak'\]"),
        ("present", "Expected at least 2 images of shard 0 to have a finding to explain"),
    ],
)
def test_what_cannot_be_explained_is_refused_before_anything_is_explained(
    targets: Targets, message: str, tmp_path: Path
) -> None:
    absent = drawn(labels=torch.zeros(NUM_IMAGES, 3))
    with pytest.raises(ValueError, match=message):
        made(tmp_path / "run", absent, targets, lambda number: Corners(number, 3))


def test_targets_are_refused_for_classes(tmp_path: Path) -> None:
    classes = replace(drawn(), label=torch.zeros(NUM_IMAGES, dtype=torch.long), findings=())
    with pytest.raises(ValueError, match="Expected `targets` with data that have findings, got predicted for classes"):
        made(tmp_path / "run", classes, "predicted", lambda number: Corners(number, 3))


def test_models_that_predict_nothing_are_refused_by_name(tmp_path: Path) -> None:
    class Never(Corners):
        def forward(self, inputs: Tensor) -> Tensor:
            return super().forward(inputs) - 1e6

    one = made(tmp_path / "run", drawn(), "predicted", lambda number: Never(number, 3))
    with pytest.raises(
        ValueError, match=r"Expected at least 2 images of a shard to have a finding to explain, .* got 0"
    ):
        one.explain([0])
