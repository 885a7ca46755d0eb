"""`spx bench` on a small network: its rows and its files; no test looks at a time."""

import json
from pathlib import Path

import pandas as pd
import pytest
from torch.nn import AdaptiveAvgPool2d, Conv2d, Flatten, Linear, Sequential

from lightning_spx.attribution import Gradient
from lightning_spx.cli import main
from lightning_spx.evaluation.benchmark import bench, growth
from lightning_spx.evaluation.benchmark.cases import (
    FLOOR,
)
from lightning_spx.evaluation.benchmark.measure import OWN
from lightning_spx.evaluation.training.named_networks import NamedNetwork
from lightning_spx.superpixels import GuidedFilter, Segmenter, Slic, Watershed
from tests.pictures import drawn

GROWN = ("images", "draws", "segments", "compared images", "models", "pairs")


@pytest.mark.parametrize("method", ["SmoothGrad", "GradCAM", "AdaptiveIntegratedGradients"])
def test_a_part_without_rows_is_no_end(method: str, tmp_path: Path) -> None:
    words = [
        "--network.network=lightning_spx.models.SmallResNet",
        "--image_size=16",
        "--batch_sizes=[1]",
        "--repeats=1",
    ]
    words += [f"--methods=[{method}]", "--sections=[segments,gradients]", "--max_evaluations=10", "--device=cpu"]
    for _ in range(2):
        run(*words, f"--out={tmp_path}/run")
        table = pd.read_csv(tmp_path / "run" / "benchmark.csv")
        assert set(table["section"]) == {"segments"} | ({"gradients"} if method != "SmoothGrad" else set())


def run(*words: str) -> None:
    main(["bench", *words])


def test_the_command_writes_a_table_pictures_and_a_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # no test looks at a time
    for name, value in (("COMPARED_IMAGES", (2, 3)), ("COMPARED_MODELS", (2, 3)), ("STUDY_SIZES", (50, 75))):
        monkeypatch.setattr(growth, name, value)
    monkeypatch.setattr(growth, "MANY_STEPS", 20)
    words = (
        "--network.network=lightning_spx.models.SmallResNet",
        "--image_size=16",
        "--batch_sizes=[1,2]",
        "--repeats=2",
        "--methods=[Gradient,{class_path: SmoothGrad, init_args: {num_samples: 2}}]",
        "--sections=[segments,gradients,pooled,metrics,study,memory,growth,agreement]",
        "--num_noise_images=1",
        "--device=cpu",
        f"--out={tmp_path}/run",
    )
    with drawn():
        run(*words)
    table = pd.read_csv(tmp_path / "run" / "benchmark.csv")
    timed = {"segments", "gradients", "after the gradients", "S- maps", "metrics", "study", "memory"}
    assert set(table["section"]) == timed | {f"growth over {what}" for what in GROWN}
    assert (table["milliseconds"] > 0).all()
    smooth = table[(table["what"] == "SmoothGrad") & (table["batch"] == 2)]
    assert set(smooth["by"]) == {OWN, "captum", FLOOR}
    assert set(smooth["evaluations"]) == {2}
    assert {path.name for path in (tmp_path / "run" / "figures").iterdir()} == {
        "times.png",
        "growth.png",
        "exactness.png",
    }
    shares = pd.read_csv(tmp_path / "run" / "shares.csv")
    gradients = table[(table["section"] == "gradients") & (table["by"] == OWN)].set_index(["what", "batch"])
    for row in shares.to_dict("records"):
        assert row["gradients"] == gradients.loc[(row["method"], row["batch"]), "milliseconds"]
        assert row["share"] == pytest.approx(row["milliseconds"] / row["gradients"])
    arithmetic = pd.read_csv(tmp_path / "run" / "arithmetic.csv")
    assert (arithmetic["share"] == arithmetic["tflops"] / arithmetic["product_tflops"]).all()
    agreement = pd.read_csv(tmp_path / "run" / "sections" / "agreement.csv").groupby("what")["largest_difference"].max()
    assert agreement["fp64 and a plain loop in fp64"] < 1e-6
    assert agreement["fp32 and a plain loop in fp32"] < 1e-3
    assert 0 < agreement["bf16 and fp32"] < 0.5
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["network"] == "SmallResNet"
    printed = capsys.readouterr().out
    assert "captum" in printed
    assert all(f"grows with {what} to the power of" in printed for what in GROWN)
    assert "variance of a pair of draws, antithetic over independent" in printed
    assert printed.strip().endswith(f"benchmark: {tmp_path}/run")
    # a second time nothing is measured again
    before = (tmp_path / "run" / "benchmark.csv").read_bytes()
    run(*words)
    assert (tmp_path / "run" / "benchmark.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--repeats=0"], "Expected `repeats` to be at least 1, got 0."),
        (["--batch_sizes=[0]"], "Expected `batch_sizes` to be at least 1, got 0."),
        (["--num_path_images=-1"], "Expected `num_path_images` to be at least 0, got -1."),
        (["--images=[nowhere.png]"], "found nothing at nowhere.png"),
        (["--sections=[everything]"], "everything"),
    ],
)
def test_bad_input_ends_with_one_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run("--network.network=lightning_spx.models.SmallResNet", f"--out={tmp_path}/run", *words)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_images_have_the_channels_of_the_network(tmp_path: Path) -> None:
    layers = [Conv2d(10, 4, 3), AdaptiveAvgPool2d(1), Flatten(), Linear(4, 2)]

    def start(*superpixels: Segmenter) -> Path:
        network = NamedNetwork(Sequential(*layers), name="bands", mean=(0.5,), std=(0.25,))
        return bench(
            network, [Gradient()], list(superpixels), ["segments", "gradients", "pooled"], image_size=16,
            batch_sizes=[1], repeats=1, device="cpu", out=str(tmp_path / "run"),
        )  # fmt: skip

    with pytest.raises(ValueError, match="the 10 channels of `network`, got Watershed for 3: leave it out"):
        start(Slic(4), Watershed(markers=4))
    table = pd.read_csv(start(Slic(4)) / "benchmark.csv")
    assert {"segments", "gradients", "S- maps"} <= set(table["section"])


def test_filters_have_no_segments_to_time(tmp_path: Path) -> None:
    network = NamedNetwork(network=Sequential(Conv2d(3, 2, 3), AdaptiveAvgPool2d(1), Flatten(), Linear(2, 2)))
    with pytest.raises(ValueError, match="Expected a segmenter for the section `segments`, got filters: add the"):
        bench(network, [Gradient()], [GuidedFilter()], ["segments"], out=str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()
