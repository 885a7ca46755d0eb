"""Names are short where they can be, and unique."""

import pytest
from torch import Tensor

from lightning_spx.attribution import (
    XRAI,
    Attribution,
    FeatureAblation,
    Gradient,
    SegmentAttribution,
    SmoothGrad,
)
from lightning_spx.reporting.display_names import unique_names
from lightning_spx.superpixels import Felzenszwalb, Grid, Segmenter, Slic
from tests.attribution.cases import Plain


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


class Halves(Segmenter):
    """A segmenter that is no dataclass."""

    def __call__(self, images: Tensor) -> Tensor:
        return images[:, 0].long()


def test_an_object_without_words_is_named_by_its_class() -> None:
    methods = [SegmentAttribution(FeatureAblation(), each) for each in (Halves(), Grid(4))]
    assert list(unique_names(methods)) == ["FeatureAblation(superpixels=Halves)", "FeatureAblation(superpixels=Grid)"]


def test_several_nested_objects_are_named_one_by_one() -> None:
    methods = [XRAI((Slic(64), Grid(9))), XRAI((Slic(16), Grid(9)))]
    assert list(unique_names(methods)) == [
        "XRAI(superpixels=Slic(n_segments=64)+Grid)",
        "XRAI(superpixels=Slic(n_segments=16)+Grid)",
    ]


@pytest.mark.parametrize(
    ("items", "name"), [([Gradient(), Gradient()], "Gradient"), ([Plain(), Gradient(), Plain()], "Plain")]
)
def test_items_that_cannot_be_told_apart_are_refused(items: list[Attribution], name: str) -> None:
    with pytest.raises(ValueError, match=f"Expected different items in a list, got {name} twice"):
        unique_names(items)
