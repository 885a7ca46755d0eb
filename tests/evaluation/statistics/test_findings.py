"""Numbers of findings against loops over items, and those of a single finding against the binary form."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from lightning_spx.attribution import saliency_map
from lightning_spx.evaluation.maps.findings import Targets, list_items
from lightning_spx.evaluation.maps.pooling_lists import make_poolings, pixel_pooling
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.evaluation.statistics.comparison import ComparisonSettings, compare
from lightning_spx.evaluation.statistics.floors import permute_pixels
from lightning_spx.evaluation.statistics.image_facts import ImageFacts
from lightning_spx.evaluation.statistics.localization import localization_values
from lightning_spx.evaluation.statistics.results import summarize
from lightning_spx.evaluation.statistics.verdict import verdicts
from lightning_spx.metrics import mass_accuracy, saliency_ssim
from lightning_spx.reporting.rows import finding_of, of_condition, over_findings
from lightning_spx.superpixels import Voronoi, segment_pool

NAMES = ("red wing", "a;b=c%", "tail")
NUM_MODELS, NUM_IMAGES, SIZE, NUM_RESAMPLES = 3, 9, 14, 40
NAN = float("nan")
SETTINGS = ComparisonSettings(magnitudes=["after"], has_one_order=False, seed=4)
SEGMENTS = Voronoi(12)(torch.rand(NUM_IMAGES, 3, SIZE, SIZE))
INDEX = 10 * torch.arange(NUM_IMAGES) + 3


def poolings() -> list[Pooling]:
    return make_poolings({"Voronoi": SEGMENTS}, INDEX, derangement(NUM_IMAGES, 1), seed=4)


def labels() -> Tensor:
    label = torch.tensor([[1, 0, 1], [1, 1, 0], [0, 0, 0], [NAN, 1, 0], [1, 0, NAN]])
    return label.repeat(2, 1)[:NUM_IMAGES]


def predictions() -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return (torch.rand(NUM_MODELS, NUM_IMAGES, 3, generator=generator) < 0.6).long()


def maps_of(count: int, seed: int = 0) -> Tensor:
    return torch.randn(NUM_MODELS, count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def facts_of(targets: Targets, held_out: Tensor | None = None) -> ImageFacts:
    items = list_items(labels(), predictions(), NAMES, targets)
    return ImageFacts.of_items(INDEX, labels(), predictions(), held_out, derangement(NUM_IMAGES, 1), items)


def compared(targets: Targets, held_out: Tensor | None = None) -> pd.DataFrame:
    facts = facts_of(targets, held_out)
    return compare(maps_of(len(facts.index)), poolings(), facts, SETTINGS, ["l2"])


@pytest.mark.parametrize("targets", ["present", "predicted", ["tail", "red wing"]])
@pytest.mark.parametrize("folds", [False, True])
def test_values_and_sets_of_items_equal_a_loop(targets: Targets, folds: bool) -> None:
    held_out = torch.arange(NUM_IMAGES) % NUM_MODELS == torch.arange(NUM_MODELS)[:, None] if folds else None
    facts, label, preds = facts_of(targets), labels(), predictions()
    assert facts.items is not None
    maps, frame = maps_of(len(facts.index)), compared(targets, held_out)
    rows = frame[(frame["superpixels"] == "Voronoi") & (frame["metric"] == "saliency_ssim")]
    assert len(rows) == 3 * len(facts.items)
    for (first, second), item in (
        (pair, item) for pair in combinations(range(3), 2) for item in range(len(facts.items))
    ):
        image, finding = int(facts.items.image[item]), int(facts.items.finding[item])
        own = rows[(rows["pair"] == f"{first}-{second}") & (rows["index"] == 10 * image + 3)]
        row = own[own["finding"] == NAMES[finding]].iloc[0]
        saliency = [saliency_map(segment_pool(each[[item]], SEGMENTS[[image]])) for each in maps[[first, second]]]
        other = saliency_map(segment_pool(maps[second, facts.permutation[[item]]], SEGMENTS[[image]]))
        seeds = [4, first, 10 * image + 3], [4, second, 10 * image + 3]
        orders = [np.random.default_rng(seed + [finding] * (finding > 0)).permutation(SIZE**2) for seed in seeds]
        permuted = [
            saliency_map(segment_pool(each[[item]].flatten(2)[..., order].view(1, 3, SIZE, SIZE), SEGMENTS[[image]]))
            for each, order in zip(maps[[first, second]], orders, strict=True)
        ]
        counts = held_out is None or bool(held_out[first, image]) != bool(held_out[second, image])
        if targets == "predicted":
            counts = counts and bool(preds[first, image, finding]) and bool(preds[second, image, finding])
        right = [preds[model, image, finding].item() == label[image, finding].item() for model in (first, second)]
        said = not label[image, finding].isnan()
        assert row["agree"] == (counts and said and all(right))
        assert row["differ"] == (counts and said and right[0] != right[1])
        sides = (saliency, permuted, [saliency[0], other])
        expected = [saliency_ssim(one, two) for one, two in sides]
        for name, value in zip(("value", "permuted", "mismatched"), expected, strict=True):
            assert row[name] == pytest.approx(value.item() if counts else NAN, abs=1e-6, nan_ok=True)
        assert row["num_segments"] == len(np.unique(SEGMENTS[image]))


def test_a_finding_that_is_not_said_counts_for_ssim_alone() -> None:
    frame = compared(["tail"])
    unsaid = frame[frame["index"].isin([43, 3 + 10 * 9])]
    assert not unsaid["agree"].any()
    assert not unsaid["differ"].any()
    assert unsaid["value"].notna().all()
    assert frame.loc[~frame["index"].isin([43]), "agree"].any()


def test_the_order_of_the_images_changes_no_value() -> None:
    facts = facts_of("present")
    assert facts.items is not None
    frame = compared("present").drop(columns="mismatched")
    turned = torch.arange(NUM_IMAGES).flip(0)
    items = list_items(labels()[turned], predictions()[:, turned], NAMES, "present")
    number = {
        pair: at for at, pair in enumerate(zip(facts.items.image.tolist(), facts.items.finding.tolist(), strict=True))
    }
    places = [
        number[NUM_IMAGES - 1 - image, finding]
        for image, finding in zip(items.image.tolist(), items.finding.tolist(), strict=True)
    ]
    other = ImageFacts.of_items(
        INDEX[turned], labels()[turned], predictions()[:, turned], None, derangement(NUM_IMAGES, 1), items
    )
    own = make_poolings({"Voronoi": SEGMENTS[turned]}, INDEX[turned], derangement(NUM_IMAGES, 1), seed=4)
    again = compare(maps_of(len(places))[:, places], own, other, SETTINGS, ["l2"]).drop(columns="mismatched")
    keys = ["pair", "superpixels", "metric", "finding", "index"]
    kept = [not name.startswith("control:borrowed") for name in frame["superpixels"]]
    kept_again = [not name.startswith("control:borrowed") for name in again["superpixels"]]
    pd.testing.assert_frame_equal(
        frame[kept].sort_values(keys, ignore_index=True), again[kept_again].sort_values(keys, ignore_index=True)
    )


def binary_and_single(held_out: Tensor | None, repeat: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare the same maps as those of a binary model, and as those of one of two findings."""
    label, preds, maps = labels()[:, 1], predictions()[..., 1], maps_of(NUM_IMAGES, repeat)
    permutation = derangement(NUM_IMAGES, 1)
    settings = ComparisonSettings(["after"], False, seed=4, model_offset=3 * repeat)
    binary = ImageFacts(INDEX, label.long(), preds, held_out, permutation)
    items = list_items(label[:, None], preds[..., None], ["crest"], ["crest"])
    single = ImageFacts.of_items(INDEX, label[:, None], preds[..., None], held_out, permutation, items)
    found = [compare(maps, poolings(), facts, settings, ["l2"]) for facts in (binary, single)]
    return found[0].assign(method="Gradient", repeat=repeat), found[1].assign(method="Gradient", repeat=repeat)


@pytest.mark.parametrize("num_repeats", [1, 3])
@pytest.mark.parametrize("folds", [False, True])
def test_a_single_finding_gives_the_numbers_of_the_binary_form_bit_for_bit(num_repeats: int, folds: bool) -> None:
    held_out = torch.arange(NUM_IMAGES) % NUM_MODELS == torch.arange(NUM_MODELS)[:, None] if folds else None
    found = [binary_and_single(held_out, repeat) for repeat in range(num_repeats)]
    binary, single = (pd.concat(frames, ignore_index=True) for frames in zip(*found, strict=True))
    pd.testing.assert_frame_equal(single.drop(columns="finding"), binary, check_exact=True)
    expected = summarize(binary, dataset="d", models="m", num_resamples=NUM_RESAMPLES)
    results = summarize(single, dataset="d", models="m", num_resamples=NUM_RESAMPLES)
    # both also have the rows of each condition, over all findings
    first, second = (each[each["condition"] != "all"].reset_index(drop=True) for each in (expected, results))
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    expected, results = (of_condition(each).reset_index(drop=True) for each in (expected, results))
    pd.testing.assert_frame_equal(over_findings(results).reset_index(drop=True), expected, check_exact=True)
    of_finding = results[[bool(finding_of(setting)) for setting in results["setting"]]].reset_index(drop=True)
    of_all = expected[expected["pair"] == "all"].reset_index(drop=True)
    pd.testing.assert_frame_equal(of_finding.drop(columns="setting"), of_all.drop(columns="setting"), check_exact=True)
    assert verdicts(single, num_resamples=NUM_RESAMPLES) == verdicts(binary, num_resamples=NUM_RESAMPLES)


@pytest.mark.parametrize("targets", ["present", "predicted"])
def test_localization_is_that_of_each_finding_a_model_explains(targets: Targets) -> None:
    facts = facts_of(targets)
    assert facts.items is not None
    mask = torch.zeros(NUM_IMAGES, SIZE, SIZE, dtype=torch.bool)
    for image in range(NUM_IMAGES):
        mask[image, : image + 2, 3:] = True
    maps = maps_of(len(facts.items))
    frame = localization_values(maps, poolings(), facts, mask, SETTINGS, "")
    for model in range(NUM_MODELS):
        rows = frame[(frame["pair"] == f"model {model}") & (frame["superpixels"] == "pixel")]
        values = rows.loc[rows["metric"] == "mass_accuracy", "value"].to_numpy()
        expected = mass_accuracy(saliency_map(maps[model]), mask[facts.items.image]).double().numpy()
        if facts.items.explained is not None:
            expected = np.where(facts.items.explained[model].numpy(), expected, np.nan)
        np.testing.assert_allclose(values, expected, rtol=1e-6)
    results = summarize(frame.assign(method="G", repeat=0), dataset="", models="", num_resamples=0)
    assert {finding_of(setting) for setting in results["setting"]} == {"", *NAMES}


def test_two_findings_of_an_image_permute_differently() -> None:
    maps = torch.arange(64.0).view(1, 1, 8, 8).expand(3, -1, -1, -1)
    plain = permute_pixels(maps, [7, 7, 7], model=1, seed=0)
    permuted = permute_pixels(maps, [7, 7, 7], model=1, seed=0, finding=[0, 1, 2])
    assert torch.equal(permuted[0], plain[0])
    assert not torch.equal(permuted[1], permuted[0])
    assert not torch.equal(permuted[2], permuted[1])


def test_a_planted_signal_of_one_finding_shows_in_its_row_alone() -> None:
    label = torch.ones(NUM_IMAGES, 2)
    preds = torch.ones(NUM_MODELS, NUM_IMAGES, 2, dtype=torch.long)
    items = list_items(label, preds, ["shared", "own"], "present")
    facts = ImageFacts.of_items(INDEX, label, preds, None, derangement(NUM_IMAGES, 1), items)
    maps = maps_of(2 * NUM_IMAGES)
    maps[:, items.finding == 0] = maps[:1, items.finding == 0]
    own = [pixel_pooling(SEGMENTS)]
    frame = compare(maps, own, facts, SETTINGS, []).assign(method="Gradient", repeat=0)
    results = of_condition(summarize(frame, dataset="", models="", num_resamples=50))
    rows = results[(results["metric"] == "saliency_ssim") & (results["pair"] == "all")].set_index("setting")
    assert rows["excess"]["finding=shared"] == pytest.approx(1, abs=1e-6)
    assert rows["excess"]["finding=own"] == pytest.approx(0, abs=0.1)
    assert rows["value"][""] == pytest.approx(rows["value"][["finding=shared", "finding=own"]].mean())
