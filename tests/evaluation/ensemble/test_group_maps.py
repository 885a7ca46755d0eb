"""Values of mean maps against a slow loop, and what must and must not change them."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from lightning_spx.attribution import saliency_map
from lightning_spx.evaluation.ensemble.assignments import Assignment, assign
from lightning_spx.evaluation.ensemble.group_maps import NO_MODEL, compare_groups, normalized, rows_of
from lightning_spx.evaluation.maps.pooling_lists import pixel_pooling
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.evaluation.statistics.floors import permute_pixels
from lightning_spx.superpixels import Grid, segment_pool
from tests.metrics.reference_ssim import reference_ssim

MODELS, IMAGES, SIDE = 5, 3, 14
INDEX = torch.tensor([4, 7, 9])
OTHER = derangement(IMAGES, seed=0)
CELLS = Grid(9)(torch.zeros(IMAGES, 3, SIDE, SIDE))
CELL_POOLING = Pooling("Grid", "segments", CELLS)
SIZES = {size: assign(MODELS, size, 10_000, seed=0) for size in (1, 2)}


def made(seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    signal = torch.randn(IMAGES, 3, SIDE, SIDE, generator=generator)
    return signal + torch.randn(MODELS, IMAGES, 3, SIDE, SIDE, generator=generator)


def compared(maps: Tensor, pooling: Pooling = CELL_POOLING, order: str = "after") -> pd.DataFrame:
    return compare_groups(maps, [(pooling, order)], INDEX, OTHER, SIZES, seed=0)


def value(rows: pd.DataFrame, metric: str, size: int, image: int, left_out: int = NO_MODEL) -> pd.Series:
    chosen = rows[(rows["metric"] == metric) & (rows["averaged"] == size) & (rows["left_out"] == left_out)]
    return chosen[chosen["index"] == int(INDEX[image])].iloc[0]


def slow_mean(maps: Tensor, group: tuple[int, ...], order: str) -> Tensor:
    """The mean map (3, H, W) of one image's attributions (M, 3, H, W)."""
    total = torch.zeros(3, SIDE, SIDE)
    for model in group:
        own = maps[model].abs() if order == "before" else maps[model]
        total += own / own.double().norm().float()
    return total / len(group)


@pytest.mark.parametrize("order", ["after", "before"])
def test_values_are_those_of_a_slow_loop(order: str) -> None:
    maps = made()
    rows = compared(maps, order=order)
    image = 1

    def measured(assignments: list[Assignment], first: Tensor, second: Tensor) -> tuple[float, float]:
        ssim, correlation = [], []
        for one, other in assignments:
            means = slow_mean(first, one, order), slow_mean(second, other, order)
            first_map, second_map = (saliency_map(each[None])[0].double().numpy() for each in means)
            ssim.append(reference_ssim(first_map, second_map))
            flat = np.stack([each.double().flatten().numpy() for each in means])
            correlation.append(float(np.corrcoef(flat)[0, 1]))
        return float(np.mean(ssim)), float(np.mean(correlation))

    def pooled(attributions: Tensor) -> Tensor:
        values = attributions.abs() if order == "before" else attributions
        return segment_pool(values, CELLS[[image]].repeat(MODELS, 1, 1))

    own = pooled(maps[:, image])
    permuted = pooled(torch.stack([permute_pixels(maps[m, [image]], [7], m, 0)[0] for m in range(MODELS)]))
    mismatched = pooled(maps[:, int(OTHER[image])])
    for size, assignments in SIZES.items():
        for left_out in (NO_MODEL, 3):
            kept = [each for each in assignments if left_out not in (*each[0], *each[1])]
            expected = {
                "value": measured(kept, own, own),
                "permuted": measured(kept, permuted, permuted),
                "mismatched": measured(kept, own, mismatched),
            }
            for name, (ssim, correlation) in expected.items():
                assert value(rows, "saliency_ssim", size, image, left_out)[name] == pytest.approx(ssim, abs=2e-6)
                assert value(rows, "correlation", size, image, left_out)[name] == pytest.approx(correlation, abs=2e-6)


def test_equal_models_match_perfectly() -> None:
    rows = compared(made()[:1].repeat(MODELS, 1, 1, 1, 1), pixel_pooling(CELLS))
    assert rows["value"].to_numpy() == pytest.approx(1.0, abs=1e-6)
    assert (rows["permuted"] < 0.5).all()


def test_models_count_equally_whatever_their_scale() -> None:
    maps = made()
    scales = torch.tensor([1e-30, 1.0, 1e6, 3.0, 0.1]).view(-1, 1, 1, 1, 1)
    pd.testing.assert_frame_equal(compared(maps), compared(maps * scales), atol=1e-4)
    assert normalized(torch.zeros(1, 1, 3, 2, 2)).eq(0).all()


def test_a_blank_map_has_no_correlation_and_is_counted() -> None:
    maps = made()
    maps[:, 0] = 0
    rows = compared(maps, pixel_pooling(CELLS))
    blank = rows[rows["index"] == int(INDEX[0])]
    assert blank.loc[blank["metric"] == "correlation", "value"].isna().all()
    assert blank["constant"].all()
    assert not rows.loc[rows["index"] != int(INDEX[0]), "constant"].any()


def test_groups_of_half_of_the_models_leave_none_out_in_turn() -> None:
    assignments = {2: assign(4, 2, 10, seed=0)}
    rows = compare_groups(made()[:4], [(CELL_POOLING, "after")], INDEX, OTHER, assignments, seed=0)
    assert set(rows["left_out"]) == {NO_MODEL}
    assert set(compared(made())["left_out"]) == {NO_MODEL, *range(MODELS)}


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = made()
    whole = compared(maps)
    monkeypatch.setattr("lightning_spx.evaluation.ensemble.group_maps.CHUNK_ELEMENTS", MODELS * 3 * SIDE**2)
    pd.testing.assert_frame_equal(compared(maps), whole)


def test_the_order_counts_by_pixel_too_but_not_for_a_method_without_signs() -> None:
    pooling = pixel_pooling(CELLS)
    assert [order for _, order in rows_of([pooling], ["after", "before"], False)] == ["after", "before"]
    assert [order for _, order in rows_of([pooling], ["after", "before"], True)] == ["either"]
    maps = made()
    signed, magnitudes = (compared(maps, pooling, order) for order in ("after", "before"))
    single = (signed["averaged"] == 1) & (signed["metric"] == "saliency_ssim")
    assert signed.loc[single, "value"].tolist() == pytest.approx(magnitudes.loc[single, "value"].tolist(), abs=1e-6)
    means = (signed["averaged"] == 2) & (signed["metric"] == "saliency_ssim")
    assert (signed.loc[means, "value"] - magnitudes.loc[means, "value"]).abs().max() > 0.01
