"""MeGe and ReCo against slow loops over pairs and images."""

import math
from itertools import combinations
from typing import cast

import pytest
import torch
from torch import Tensor

from lightning_spx.metrics import (
    Distance,
    MeGe,
    ReCo,
    map_distance,
    mege,
    mege_from_distances,
    pair_sets,
    reco,
    reco_from_distances,
)
from tests.metrics.reco_cases import slow_reco


def study(models: int, images: int = 24, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Maps with ties between images, predictions that are often wrong, and folds held out."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.rand(models, images, 12, 12, generator=generator)
    maps[1, ::4] = maps[0, ::4]  # equal maps: tied distances of 0
    label = torch.randint(0, 3, (images,), generator=generator)
    wrong = torch.rand(models, images, generator=generator) < 0.4
    held_out = torch.arange(models)[:, None] == torch.arange(images) % models
    return maps, (label + wrong) % 3, label, held_out


def slow_sets(
    maps: Tensor, preds: Tensor, label: Tensor, held_out: Tensor | None, distance: Distance
) -> tuple[list[float], list[float]]:
    agree, differ = [], []
    for i, j in combinations(range(len(maps)), 2):
        for n in range(len(label)):
            if held_out is not None and int(held_out[i, n]) + int(held_out[j, n]) != 1:
                continue
            right = int(preds[i, n] == label[n]) + int(preds[j, n] == label[n])
            d = map_distance(maps[i, n : n + 1], maps[j, n : n + 1], distance).item()
            if right == 2:
                agree.append(d)
            elif right == 1:
                differ.append(d)
    return agree, differ


@pytest.mark.parametrize("models", [2, 3, 4, 5])
@pytest.mark.parametrize("folds", [False, True])
@pytest.mark.parametrize("distance", ["l2", "spearman", "ssim"])
def test_equal_slow_loops_over_pairs_and_images(models: int, folds: bool, distance: Distance) -> None:
    maps, preds, label, held_out = study(models)
    held = held_out if folds else None
    agree, differ = slow_sets(maps, preds, label, held, distance)
    assert mege(maps, preds, label, held, distance).item() == pytest.approx(1 / (1 + sum(agree) / len(agree)), abs=1e-6)
    assert reco(maps, preds, label, held, distance).item() == pytest.approx(slow_reco(agree, differ), abs=1e-6)


@pytest.mark.parametrize("segments_given", [False, True])
def test_classes_with_segments_equal_functions(segments_given: bool) -> None:
    _, preds, label, held_out = study(3, images=10)
    generator = torch.Generator().manual_seed(5)
    segments = torch.randint(0, 6, (10, 9, 9), generator=generator)
    values = torch.rand(3, 10, 6, generator=generator)
    maps = values.gather(2, segments.flatten(1).expand(3, -1, -1)).view(3, 10, 9, 9)
    for metric, expected in (
        (MeGe("l1"), mege(maps, preds, label, held_out, "l1")),
        (ReCo("l1"), reco(maps, preds, label, held_out, "l1")),
    ):
        metric.update(maps, preds, label, held_out, segments if segments_given else None)
        torch.testing.assert_close(metric.compute(), expected)


def test_an_image_counts_for_a_pair_if_exactly_one_model_saw_it() -> None:
    held_out = torch.tensor([[True, False, False, True], [False, True, False, True], [False, False, True, True]])
    agree, differ = pair_sets(torch.zeros(3, 4, dtype=torch.long), torch.zeros(4, dtype=torch.long), held_out)
    # Pairs 01, 02, 12; the fourth image was seen by no model.
    assert agree.tolist() == [[True, True, False, False], [True, False, True, False], [False, True, True, False]]
    assert not differ.any()


def test_sets_by_hand() -> None:
    preds, label = torch.tensor([[1, 1, 1, 2], [1, 2, 0, 2]]), torch.tensor([1, 1, 1, 1])
    agree, differ = pair_sets(preds, label)
    assert agree.tolist() == [[True, False, False, False]]
    assert differ.tolist() == [[False, True, True, False]]


def test_equal_maps_of_agreeing_models_are_separated_from_other_maps() -> None:
    maps = torch.rand(1, 4, 12, 12, generator=torch.Generator().manual_seed(0)).repeat(2, 1, 1, 1)
    maps[1, 2:] = torch.rand(2, 12, 12, generator=torch.Generator().manual_seed(1))
    preds, label = torch.tensor([[0, 0, 0, 0], [0, 0, 1, 1]]), torch.zeros(4, dtype=torch.long)
    assert reco(maps, preds, label).item() == 1.0
    assert mege(maps, preds, label).item() == 1.0


def test_nan_distances_are_left_out_and_counted() -> None:
    maps, preds, label, _ = study(3)
    broken = maps.clone()
    broken[2, 5] = torch.nan
    agree, differ = pair_sets(preds, label)
    hit = torch.zeros_like(agree)
    hit[1:, 5] = True  # the pairs of model 2
    keep = torch.arange(24) != 5
    for metric, lost in ((MeGe("l1"), (agree & hit).sum()), (ReCo("l1"), ((agree | differ) & hit).sum())):
        metric.update(broken, preds, label)
        assert metric.num_dropped == lost
        reference = metric.clone()
        reference.reset()
        reference.update(maps[:, keep], preds[:, keep], label[keep])
        # The pair of the models 0 and 1 has kept its distance for this image.
        reference.update(maps[:2, ~keep], preds[:2, ~keep], label[~keep])
        torch.testing.assert_close(metric.compute(), reference.compute())


def test_an_empty_set_gives_nan_with_a_warning() -> None:
    distances = torch.tensor([[0.1, 0.2]])
    none, all_ = torch.zeros(1, 2, dtype=torch.bool), torch.ones(1, 2, dtype=torch.bool)
    with pytest.warns(UserWarning, match="MeGe is NaN: no counting image is classified correctly by two models"):
        assert math.isnan(mege_from_distances(distances, none).item())
    with pytest.warns(UserWarning, match="ReCo is NaN: no counting image is classified correctly by two models"):
        assert math.isnan(reco_from_distances(distances, none, all_).item())
    with pytest.warns(UserWarning, match="ReCo is NaN: .* by exactly one of two models"):
        assert math.isnan(reco_from_distances(distances, all_, none).item())


def test_gradients_are_not_kept() -> None:
    maps, preds, label, _ = study(2)
    for metric in (MeGe("l2"), ReCo("l2")):
        metric(maps.requires_grad_(), preds, label)
        assert not metric.compute().requires_grad


def test_wrong_arguments_are_refused() -> None:
    maps, preds, label, held_out = study(3)
    with pytest.raises(ValueError, match=r"Expected `preds` of shape \(M,N\) with at least 2 models, got \(1, 24\)"):
        pair_sets(preds[:1], label)
    with pytest.raises(TypeError, match="Expected `preds` to be integer classes"):
        pair_sets(preds.float(), label)
    with pytest.raises(ValueError, match=r"Expected `label` of shape \(24,\), got \(23,\)"):
        pair_sets(preds, label[:-1])
    with pytest.raises(TypeError, match="Expected `held_out` to be bool"):
        pair_sets(preds, label, held_out.long())
    with pytest.raises(ValueError, match=r"Expected `held_out` of shape \(3, 24\), got \(2, 24\)"):
        pair_sets(preds, label, held_out[:2])
    with pytest.raises(ValueError, match=r"Expected `maps` of shape \(M,N,H,W\) with \(M,N\) = \(3, 24\)"):
        mege(maps[:2], preds, label)
    distances, agree = torch.zeros(3, 24), torch.zeros(3, 24, dtype=torch.bool)
    with pytest.raises(TypeError, match="Expected `agree` to be bool"):
        mege_from_distances(distances, distances)
    with pytest.raises(ValueError, match=r"Expected `agree` of shape \(3, 24\), got \(2, 24\)"):
        mege_from_distances(distances, agree[:2])
    with pytest.raises(TypeError, match="Expected `differ` to be bool"):
        reco_from_distances(distances, agree, distances)
    unknown = cast(Distance, "l3")
    for build in (lambda: MeGe(unknown), lambda: ReCo(unknown)):
        with pytest.raises(ValueError, match="Expected `distance` to be one of"):
            build()
