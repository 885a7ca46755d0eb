"""Seeds are shifted everywhere inside a method, and nothing else changes."""

import pytest
from captum.attr import Saliency

from lightning_spx.attribution import (
    XRAI,
    Attribution,
    FromCaptum,
    Gradient,
    InputXGradient,
    MeanAttribution,
    SmoothGrad,
    SparsifiedSmoothGrad,
    VarGrad,
)
from lightning_spx.attribution.reseed import is_random, reseed
from lightning_spx.superpixels import Voronoi
from tests.attribution.cases import Plain


@pytest.mark.parametrize("method", [SmoothGrad(seed=3), VarGrad(seed=3), SparsifiedSmoothGrad(seed=3)])
def test_the_seed_of_every_random_method_is_shifted_and_nothing_else(method: Attribution) -> None:
    shifted = reseed(method, 2)
    assert type(shifted) is type(method)
    assert {**vars(method), "seed": 5} == vars(shifted)


def test_the_seeds_of_bases_are_shifted_too() -> None:
    assert reseed(VarGrad(base=SmoothGrad(seed=1), seed=10), 4) == VarGrad(base=SmoothGrad(seed=5), seed=14)


def test_the_seeds_of_methods_in_tuples_are_shifted_too() -> None:
    method = XRAI((Voronoi(seed=1),), MeanAttribution((SmoothGrad(seed=1), Gradient(), VarGrad(seed=5))))
    shifted = XRAI((Voronoi(seed=1),), MeanAttribution((SmoothGrad(seed=5), Gradient(), VarGrad(seed=9))))
    assert reseed(method, 4) == shifted
    assert is_random(method)
    assert not is_random(XRAI())


@pytest.mark.parametrize("method", [Gradient(precision="bf16"), InputXGradient(), FromCaptum(Saliency, seed=None)])
def test_a_method_without_a_seed_stays_equal(method: Attribution) -> None:
    assert reseed(method, 3) == method


def test_a_method_that_is_no_dataclass_is_left_alone() -> None:
    method = Plain()
    assert reseed(method, 3) is method
    assert method.seed == 7


def test_an_offset_of_zero_changes_nothing() -> None:
    assert reseed(SmoothGrad(seed=3), 0) == SmoothGrad(seed=3)
