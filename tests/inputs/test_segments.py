"""Every public function of segments: refused by name, or the value that it has without the flaw."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lightning_spx.attribution import MoreauGrad
from lightning_spx.metrics import MeGe, ReCo, deletion, insertion, irof, removal_ranks
from lightning_spx.metrics.distances import pair_distances
from lightning_spx.superpixels import (
    Precomputed,
    achievable_accuracy,
    borrow,
    boundary_recall,
    compactness,
    grid_like,
    num_segments,
    segment_pool,
    undersegmentation_error,
    voronoi_like,
)
from tests.inputs.outcomes import refused, refused_or
from tests.inputs.segment_tensors import GOOD, LOOSE, OTHERS, QUARTERS, WRONG
from tests.inputs.strategies import examples

DRAW = torch.Generator().manual_seed(0)
IMAGES = torch.rand(2, 3, 16, 16, generator=DRAW)
ATTRIBUTION = torch.randn(2, 3, 16, 16, generator=DRAW)
SALIENCY = torch.rand(2, 16, 16, generator=DRAW)
# of three models, constant on every segment
MAPS = torch.stack([torch.rand(4, generator=DRAW)[GOOD] for _ in range(3)])
TARGET = torch.tensor([0, 1])
RIGHT = torch.zeros(3, 2, dtype=torch.int64)
MOREAU = MoreauGrad(num_steps=2, num_samples=1, average_last=1, sparsity=0.1)


def model(images: Tensor) -> Tensor:
    return images.square().mean((2, 3))


def updated(metric: MeGe | ReCo, segments: Tensor) -> Tensor:
    metric.update(MAPS, RIGHT, RIGHT[0], None, segments)
    state = metric.total if isinstance(metric, MeGe) else torch.cat(list(metric.agree))
    return state.clone()


Function = Callable[[Any], Any]
# those that take segments alone
ALONE: dict[str, Function] = {
    "num_segments": num_segments,
    "grid_like": grid_like,
    "borrow": lambda segments: borrow(segments, torch.tensor([1, 0])),
    "compactness": compactness,
}
# those that compare them with other tensors
STRICT: dict[str, Function] = {
    "segment_pool": lambda segments: segment_pool(ATTRIBUTION, segments),
    "boundary_recall": lambda segments: boundary_recall(segments, GOOD),
    "undersegmentation_error": lambda segments: undersegmentation_error(segments, GOOD),
    "achievable_accuracy": lambda segments: achievable_accuracy(segments, GOOD),
    "deletion": lambda segments: deletion(model, IMAGES, TARGET, SALIENCY, 4, segments=segments),
    "insertion": lambda segments: insertion(model, IMAGES, TARGET, SALIENCY, 4, segments=segments),
    "irof": lambda segments: irof(model, IMAGES, TARGET, SALIENCY, segments, (0.0, 0.0, 0.0)),
    "removal_ranks": lambda segments: removal_ranks(SALIENCY, IMAGES, 0, segments),
}
# those to which the names of segments are all the same
TOLERANT: dict[str, Function] = {
    "pair_distances": lambda segments: pair_distances(MAPS, "spearman", segments),
    "MeGe": lambda segments: updated(MeGe("l1"), segments),
    "ReCo": lambda segments: updated(ReCo("l2"), segments),
}
PLACED = {"voronoi_like": lambda segments: voronoi_like(segments, 0, torch.tensor([3, 4]))}
# None has a meaning there: no segments
WITHOUT = {"deletion", "insertion", "removal_ranks", "pair_distances", "MeGe", "ReCo"}


# there, one image without a batch axis has a value, pools a batch, or has another number of indices
OF_ONE = {"num_segments", "grid_like", "compactness", "segment_pool", "voronoi_like"}


@pytest.mark.parametrize("name", WRONG)
def test_what_no_segmenter_gives_is_refused_by_every_function(name: str) -> None:
    segments: Any = WRONG[name]
    for function, call in (ALONE | STRICT | TOLERANT | PLACED).items():
        if function not in {"none": WITHOUT, "no images' axis": OF_ONE}.get(name, ()):
            refused(partial(call, WRONG[name]), "`segments`")
    if name != "none":
        refused(lambda: MOREAU.attribute(model, IMAGES, TARGET, segments), "`segments`")


@pytest.mark.parametrize("name", OTHERS)
def test_segments_of_other_images_are_refused(name: str) -> None:
    for function, call in (STRICT | TOLERANT).items():
        # measured against true regions, it is these that do not fit
        other = "`truth`" if function in ("boundary_recall", "undersegmentation_error", "achievable_accuracy") else "`s"
        refused(partial(call, OTHERS[name]), other)
    refused(lambda: MOREAU.attribute(model, IMAGES, TARGET, OTHERS[name]), "`segments`")


@pytest.mark.parametrize("name", LOOSE)
def test_names_of_segments_matter_nowhere_or_are_refused(name: str) -> None:
    for call in (ALONE | STRICT | PLACED).values():
        refused(partial(call, LOOSE[name]), "`segments`")
    for call in TOLERANT.values():
        assert torch.equal(call(LOOSE[name]), call(GOOD))
    if LOOSE[name].dtype == torch.int64:
        assert torch.equal(
            MOREAU.attribute(model, IMAGES, TARGET, LOOSE[name]), MOREAU.attribute(model, IMAGES, TARGET, GOOD)
        )


@pytest.mark.parametrize("name", WRONG)
def test_true_regions_are_refused_by_name_or_may_have_any_labels(name: str) -> None:
    for measure in (boundary_recall, undersegmentation_error, achievable_accuracy):
        truth: Any = WRONG[name]
        if name in ("ids beyond the pixels", "ids of a terabyte"):
            assert torch.equal(measure(GOOD, truth), measure(GOOD, GOOD))
        elif name == "the largest id":
            # one region: no border, nothing leaks, and every segment is right
            expected = {boundary_recall: torch.nan, undersegmentation_error: 0.0, achievable_accuracy: 1.0}[measure]
            torch.testing.assert_close(measure(GOOD, truth), torch.full((2,), expected), equal_nan=True)
        else:
            refused(partial(measure, GOOD, truth), "`truth`")


@pytest.mark.parametrize("name", ["none", "a list", "an array", "floating point", "complex", "a channel", "a number"])
def test_label_maps_to_store_are_refused_by_name(name: str, tmp_path: Path) -> None:
    label_maps: Any = WRONG[name]
    refused(lambda: Precomputed(tmp_path).write(IMAGES, label_maps), "`label_maps`")


def test_pooled_maps_must_be_constant_on_segments() -> None:
    with pytest.raises(ValueError, match="`maps` to be constant on each of `segments`"):
        pair_distances(SALIENCY.expand(2, -1, -1, -1), "l1", GOOD)


IDS = st.lists(st.integers(-2, 300), min_size=4, max_size=4)


@examples(200)
@given(ids=st.tuples(IDS, IDS))
def test_any_ids_are_pooled_rightly_or_refused(ids: tuple[list[int], list[int]]) -> None:
    segments = torch.tensor(ids)[:, QUARTERS.flatten()].view(2, 16, 16)
    pooled = refused_or(lambda: segment_pool(ATTRIBUTION, segments), "`segments`")
    good = all(set(each) == set(range(max(each) + 1)) for each in ids)
    assert (pooled is not None) == good
    if isinstance(pooled, Tensor):
        for image, own in enumerate(segments):
            for label in own.unique():
                inside = ATTRIBUTION[image][:, own == label]
                expected = inside.double().mean(1, keepdim=True).float().expand_as(inside)
                torch.testing.assert_close(pooled[image][:, own == label], expected)
