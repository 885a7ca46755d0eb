"""Names are short where they can be, and unique; seeds are shifted everywhere."""

import pytest
import torch
from captum.attr import Saliency
from torch import Tensor

from lightning_spx.attribution import (
    Attribution,
    FromCaptum,
    Gradient,
    InputXGradient,
    SmoothGrad,
    SparsifiedSmoothGrad,
    VarGrad,
)
from lightning_spx.attribution.method import Model
from lightning_spx.attribution.reseed import reseed
from lightning_spx.reporting.display_names import unique_names
from lightning_spx.superpixels import Felzenszwalb, Grid, Slic


class Plain(Attribution):
    """A method of a user's own that is no dataclass."""

    seed = 7

    def attribute(self, model: Model, inputs: Tensor, target: Tensor | None) -> Tensor:
        return torch.zeros_like(inputs)


def test_an_item_without_a_namesake_is_named_by_its_class() -> None:
    items = [Slic(n_segments=7), Felzenszwalb(), Grid()]
    assert unique_names(items) == {"Slic": items[0], "Felzenszwalb": items[1], "Grid": items[2]}


def test_namesakes_are_told_apart_by_the_settings_that_differ() -> None:
    methods = [SmoothGrad(num_samples=4), Gradient(), SmoothGrad(num_samples=4, stdev=0.3), SmoothGrad(num_samples=8)]
    assert list(unique_names(methods)) == [
        "SmoothGrad(num_samples=4,stdev=0.15)",
        "Gradient",
        "SmoothGrad(num_samples=4,stdev=0.3)",
        "SmoothGrad(num_samples=8,stdev=0.15)",
    ]


def test_a_nested_method_is_part_of_the_name() -> None:
    plain, mixed = unique_names([SmoothGrad(), SmoothGrad(Gradient(precision="bf16"))])
    assert plain == "SmoothGrad(base=Gradient(precision=fp32))"
    assert mixed == "SmoothGrad(base=Gradient(precision=bf16))"
    other = unique_names([SmoothGrad(), SmoothGrad(SmoothGrad())])
    assert list(other) == ["SmoothGrad(base=Gradient)", "SmoothGrad(base=SmoothGrad)"]


@pytest.mark.parametrize(
    ("items", "name"), [([Gradient(), Gradient()], "Gradient"), ([Plain(), Gradient(), Plain()], "Plain")]
)
def test_items_that_cannot_be_told_apart_are_refused(items: list[Attribution], name: str) -> None:
    with pytest.raises(ValueError, match=f"Expected different items in a list, got {name} twice"):
        unique_names(items)


@pytest.mark.parametrize("method", [SmoothGrad(seed=3), VarGrad(seed=3), SparsifiedSmoothGrad(seed=3)])
def test_the_seed_of_every_random_method_is_shifted_and_nothing_else(method: Attribution) -> None:
    shifted = reseed(method, 2)
    assert type(shifted) is type(method)
    assert {**vars(method), "seed": 5} == vars(shifted)


def test_the_seeds_of_bases_are_shifted_too() -> None:
    assert reseed(VarGrad(base=SmoothGrad(seed=1), seed=10), 4) == VarGrad(base=SmoothGrad(seed=5), seed=14)


@pytest.mark.parametrize("method", [Gradient(precision="bf16"), InputXGradient(), FromCaptum(Saliency, seed=None)])
def test_a_method_without_a_seed_stays_equal(method: Attribution) -> None:
    assert reseed(method, 3) == method


def test_a_method_that_is_no_dataclass_is_left_alone() -> None:
    method = Plain()
    assert reseed(method, 3) is method
    assert method.seed == 7


def test_an_offset_of_zero_changes_nothing() -> None:
    assert reseed(SmoothGrad(seed=3), 0) == SmoothGrad(seed=3)
