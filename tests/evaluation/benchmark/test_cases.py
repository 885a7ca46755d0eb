"""How many evaluations a case takes, and which cases are left out."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from lightning_spx.attribution import (
    Gradient,
    IntegratedGradients,
    MoreauGrad,
    SmoothGrad,
    VarGrad,
)
from lightning_spx.evaluation.benchmark.cases import (
    gradients_section,
    metrics_section,
    num_evaluations,
    passes,
    pooled_section,
    segments_section,
)
from lightning_spx.superpixels import GuidedFilter, Slic
from tests.attribution.cases import Net, Notes, images, targets
from tests.evaluation.benchmark.bench_cases import bench_of


class Counted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.network = Net()
        self.notes = Notes()

    def forward(self, inputs: Tensor) -> Tensor:
        self.notes.append(len(inputs))
        logits: Tensor = self.network(inputs)
        return logits


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


def test_what_evaluates_too_many_gradients_is_left_out() -> None:
    bench = replace(bench_of(Net().eval()), methods={"few": Gradient(), "many": SmoothGrad(num_samples=60)})
    assert {found.what for found in gradients_section(bench)} == {"few"}
    assert {found.what for found in pooled_section(bench) if found.section == "S- maps"} == {"S-few"}


def test_filters_are_timed_as_a_whole_and_have_no_segments() -> None:
    bench = replace(bench_of(Net().eval()), poolings={"guided": GuidedFilter(), "Slic": Slic(4)})
    assert {found.what.split(",")[0] for found in segments_section(bench)} == {"Slic"}
    after = [found.what for found in pooled_section(bench) if found.section == "after the gradients"]
    assert after == ["guided, map", "Slic, pooling, map", "Slic cached, pooling, map"]
    alone = replace(bench, poolings={"guided": GuidedFilter()})
    assert not list(segments_section(alone))
    # windows of SSIM have 11 pixels a side
    larger = replace(alone, images=torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)))
    assert {found.what for found in metrics_section(larger)} >= {"SSIM of a pair", "Spearman of 4 models, S- maps"}


def test_evaluations_of_every_step_count() -> None:
    assert num_evaluations(MoreauGrad(num_steps=3, num_samples=5, average_last=1)) == 15
