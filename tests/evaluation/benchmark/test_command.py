"""`spx bench` on a small network: its rows, its peers' values, its files; no test looks at a time."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from lightning_spx.attribution import (
    GradCAM,
    Gradient,
    IntegratedGradients,
    MoreauGrad,
    SmoothGrad,
    VarGrad,
    input_gradient,
    saliency_map,
)
from lightning_spx.cli import main
from lightning_spx.evaluation.benchmark.cases import (
    FLOOR,
    Bench,
    gradients_section,
    num_evaluations,
    passes,
    pooled_section,
)
from lightning_spx.evaluation.benchmark.exactness import path_errors, variance_ratios
from lightning_spx.evaluation.benchmark.measure import OWN, measure, peak_mebibytes
from lightning_spx.evaluation.benchmark.peers import (
    peer_of,
    pooling_loop,
    scaled_map,
    scikit_slic,
    scikit_ssim,
    spearman_loop,
    torchmetrics_ssim,
)
from lightning_spx.evaluation.benchmark.shares import gflop_of_a_gradient
from lightning_spx.metrics import pair_distances, saliency_ssim
from lightning_spx.superpixels import ScikitSlic, Slic, segment_pool
from tests.attribution.cases import Net, Notes, images, relative, targets
from tests.pictures import drawn

CPU = torch.device("cpu")


def silent(turns: Iterable[int], description: str) -> Iterable[int]:
    return turns


class Counted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.network = Net()
        self.notes = Notes()

    def forward(self, inputs: Tensor) -> Tensor:
        self.notes.append(len(inputs))
        logits: Tensor = self.network(inputs)
        return logits


def test_calls_are_timed_in_turns_and_divided_by_the_images() -> None:
    order: list[str] = []
    calls = {name: lambda name=name: order.append(name) for name in ("a", "b")}
    found = measure("metrics", "it", calls, 4, turns=range(3), device=CPU)
    assert order == ["a", "b", "a", "b", "b", "a", "a", "b"]
    assert [each.by for each in found] == ["a", "b"]
    assert all(len(each.milliseconds) == 3 for each in found)


def test_a_row_holds_median_and_quartiles() -> None:
    (found,) = measure("metrics", "it", {OWN: lambda: None}, 1, turns=range(1), device=CPU)
    row = type(found)("s", "w", OWN, 1, (1.0, 9.0, 2.0, 3.0, 4.0), None, 5).row()
    assert (row["milliseconds"], row["quartile_low"], row["quartile_high"], row["repeats"]) == (3.0, 2.0, 4.0, 5)


def test_peak_memory_is_that_of_the_call() -> None:
    peak = peak_mebibytes(lambda: np.ones(2**23), CPU)
    if peak is None:
        pytest.skip("only Linux tells")
    assert 60 < peak < 90


@pytest.mark.parametrize(
    "method", [Gradient(), IntegratedGradients(8), SmoothGrad(num_samples=6), VarGrad(num_samples=4)]
)
def test_evaluations_are_what_the_method_and_the_floor_take(method: Gradient | IntegratedGradients) -> None:
    model = Counted().eval()
    method.attribute(model, images(3), targets(3))
    # and one image is looked at by itself
    assert sum(model.notes.taken) == 3 * num_evaluations(method) + 1
    model.notes.taken.clear()
    passes(model, images(3), num_evaluations(method))
    assert sum(model.notes.taken) == 3 * num_evaluations(method)


def test_peers_compute_the_same() -> None:
    network = Net().eval()
    for method, tolerance in ((Gradient(), 1e-5), (IntegratedGradients(50), 1e-4)):
        peer = peer_of(method, network)
        assert peer is not None
        assert relative(peer[1](images(), targets()), method.attribute(network, images(), targets())) < tolerance
    smooth = SmoothGrad(num_samples=300, stdev=0.05)
    peer = peer_of(smooth, network)
    assert peer is not None
    # other draws of the same noise
    assert relative(peer[1](images(), targets()), smooth.attribute(network, images(), targets())) < 0.2
    cam = peer_of(GradCAM(), network)
    assert cam is not None
    assert cam[1](images(), targets()).shape == (4, 10, 10)
    assert peer_of(VarGrad(), network) is None


def test_what_a_user_would_write_gives_our_maps() -> None:
    attribution = input_gradient(Net().eval(), images(), targets())
    segments = scikit_slic(images(), 8, 10.0)
    assert np.array_equal(segments, ScikitSlic(8)(images()).numpy())
    pooled = pooling_loop(attribution.numpy(), segments)
    ours = segment_pool(attribution, torch.from_numpy(segments))
    assert np.abs(pooled - ours.numpy()).max() < 1e-6
    assert np.abs(scaled_map(pooled) - saliency_map(ours).numpy()).max() < 1e-5


def test_what_metrics_are_timed_against_gives_our_numbers() -> None:
    first, second = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    ours = saliency_ssim(first, second)
    assert torch.tensor(scikit_ssim(first, second)).float().allclose(ours, atol=1e-5)
    assert torchmetrics_ssim(first, second).shape == (3,)
    maps = torch.stack([first, second, first * second])
    assert np.abs(spearman_loop(maps.numpy()) - pair_distances(maps, "spearman").numpy()).max() < 1e-6


def bench_of(network: nn.Module) -> Bench:
    return Bench(network, images(), {"Gradient": Gradient()}, {"Slic": Slic(4)}, [2], 1, 100, silent)


def test_errors_are_those_against_a_thousand_evaluations() -> None:
    network = Net().eval()
    errors = path_errors(bench_of(network), num_images=3)
    assert errors.groupby("what")["image"].nunique().eq(3).all()
    target = network(images(3)).argmax(1)
    exact = IntegratedGradients(1000).attribute(network, images(3), target)
    ten = IntegratedGradients(10).attribute(network, images(3), target)
    expected = (ten - exact).flatten(1).norm(dim=1) / exact.flatten(1).norm(dim=1)
    assert errors.loc[errors["what"] == "10 nodes", "error"].tolist() == pytest.approx(expected.tolist(), rel=1e-3)
    fixed = errors[errors["what"] == "captum, 50 nodes"]["error"].to_numpy()
    assert fixed == pytest.approx(errors[errors["what"] == "50 nodes"]["error"].to_numpy(), abs=1e-4)


def test_antithetic_pairs_have_no_variance_for_a_quadratic_model() -> None:
    class Quadratic(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return inputs.flatten(1).square()[:, :4]

    ratios = variance_ratios(bench_of(Quadratic()), num_images=2)
    assert (ratios < 1e-6).all()


def test_what_evaluates_too_many_gradients_is_left_out() -> None:
    bench = replace(bench_of(Net().eval()), methods={"few": Gradient(), "many": SmoothGrad(num_samples=60)})
    assert {found.what for found in gradients_section(bench)} == {"few"}
    assert {found.what for found in pooled_section(bench) if found.section == "S- maps"} == {"S-few"}


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


def test_evaluations_of_every_step_count() -> None:
    assert num_evaluations(MoreauGrad(num_steps=3, num_samples=5, average_last=1)) == 15


def test_arithmetic_is_that_of_the_layers() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.Flatten(), nn.Linear(8 * 100, 5)).eval()
    # two operations for each multiplication, forward and backward to the input
    expected = 2 * 2 * (8 * 100 * 3 * 9 + 5 * 800) / 1e9
    assert gflop_of_a_gradient(network, images(1)) == pytest.approx(expected)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())


def run(*words: str) -> None:
    main(["bench", *words])


def test_the_command_writes_a_table_pictures_and_a_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
    assert set(table["section"]) == timed | {f"growth over {what}" for what in ("images", "draws", "segments")}
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
