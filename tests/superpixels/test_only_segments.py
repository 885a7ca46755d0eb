"""Where only segments make sense a filter is refused by its name, in one line."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_spx.attribution import XRAI, Gradient, KernelShap, SegmentAttribution
from lightning_spx.attribution.by_segments import BySegments
from lightning_spx.attribution.method import Model
from lightning_spx.attribution.targets import Target
from lightning_spx.evaluation.maps.ways import all_poolings
from lightning_spx.superpixels import Cached, GuidedFilter, JointBilateral, Slic, WithSegments

# of any type, as a user's own code may be
FILTER: Any = JointBilateral()


class Own(BySegments):
    """A user's method by segments that was given a filter."""

    @property
    def segmenters(self) -> tuple[Any, ...]:
        return (Slic(), FILTER)

    def attribute_over(
        self, model: Model, inputs: torch.Tensor, target: Target, segments: torch.Tensor
    ) -> torch.Tensor:
        raise AssertionError


def attributed() -> torch.Tensor:
    return Own().attribute(lambda x: x.flatten(1), torch.rand(1, 3, 8, 8), torch.tensor([0]))


@pytest.mark.parametrize(
    ("make", "place"),
    [
        (lambda: Cached(FILTER, "root"), "Cached"),
        (lambda: WithSegments([], FILTER), "WithSegments"),
        (lambda: XRAI(superpixels=(Slic(), FILTER)), "XRAI"),
        (lambda: SegmentAttribution(KernelShap(), FILTER), "SegmentAttribution"),
        (attributed, "Own"),
        (lambda: all_poolings({"GuidedFilter": GuidedFilter()}, [Gradient(), Own()]), "Own"),
    ],
)
def test_a_filter_is_refused_by_its_name(
    make: Callable[[], object], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = f"Expected a segmenter for {place}, got JointBilateral, which is a filter: it has no segments."
    with pytest.raises(TypeError, match=re.escape(line)):
        make()
    assert not list(tmp_path.iterdir())
