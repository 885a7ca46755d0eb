"""Methods inside methods get references too, and nothing else changes."""

import torch
from torch import Tensor

from lightning_spx.attribution import (
    XRAI,
    Attribution,
    ExpectedGradients,
    Gradient,
    MeanAttribution,
    SmoothGrad,
    VarGrad,
)
from lightning_spx.attribution.references import with_references
from lightning_spx.attribution.reseed import is_random, reseed
from lightning_spx.superpixels import Grid
from tests.attribution.cases import METHODS, Plain

ASKED: list[tuple[int, int]] = []


def drawn(num_images: int, seed: int) -> Tensor:
    ASKED.append((num_images, seed))
    return torch.full((num_images, 1, 2, 2), float(seed))


def base_of(method: Attribution) -> ExpectedGradients:
    base: object = method
    while not isinstance(base, ExpectedGradients):
        base = vars(base)["base"]
    return base


def test_methods_in_tuples_get_references() -> None:
    given = with_references(XRAI((Grid(4),), MeanAttribution((ExpectedGradients(), Gradient()))), drawn)
    base = given.ranked_method if isinstance(given, XRAI) else None
    assert isinstance(base, MeanAttribution)
    first = base.methods[0]
    assert isinstance(first, ExpectedGradients)
    assert first.references is not None
    untouched = MeanAttribution((Gradient(), SmoothGrad()))
    assert with_references(untouched, drawn) is untouched


def test_bases_get_references_by_their_own_number_and_seed() -> None:
    ASKED.clear()
    method = VarGrad(SmoothGrad(ExpectedGradients(num_references=4, seed=9), seed=1), num_samples=3, seed=2)
    given = with_references(method, drawn)
    assert ASKED == [(4, 9)]
    assert given == method
    assert base_of(method).references is None
    references = base_of(given).references
    assert references is not None
    assert references.shape == (4, 1, 2, 2)
    # a study reseeds a method for each model, and all of them keep the references
    assert base_of(reseed(given, 5)).references is references
    assert base_of(reseed(given, 5)).seed == 14
    assert is_random(given)


def test_references_that_a_user_gave_stay() -> None:
    own = ExpectedGradients().with_references(torch.ones(1, 1, 2, 2))
    assert with_references(own, drawn) is own


def test_other_methods_are_returned_as_they_are() -> None:
    ASKED.clear()
    for method in (*METHODS, Plain(), SmoothGrad(Gradient())):
        assert with_references(method, drawn) is method
    assert not ASKED
