"""Numbers of findings against loops over items, and those of a single finding against the binary form."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import ks_2samp
from torch import Tensor

from lightning_spx.attribution import saliency_map
from lightning_spx.evaluation.maps.findings import Targets, list_items
from lightning_spx.evaluation.maps.poolings import Pooling, make_poolings, pixel_pooling
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.evaluation.statistics.bootstrap import bootstrap_weights
from lightning_spx.evaluation.statistics.comparison import ComparisonSettings, ImageFacts, compare
from lightning_spx.evaluation.statistics.floors import permute_pixels
from lightning_spx.evaluation.statistics.localization import localization_values
from lightning_spx.evaluation.statistics.results import summarize
from lightning_spx.evaluation.statistics.verdict import verdicts
from lightning_spx.metrics import mass_accuracy, saliency_ssim
from lightning_spx.reporting.rows import finding_of, over_findings, with_finding
from lightning_spx.superpixels import Voronoi, segment_pool

NAMES = ("red wing", "a;b=c%", "tail")
NUM_MODELS, NUM_IMAGES, SIZE, NUM_RESAMPLES = 3, 9, 14, 40
NAN = float("nan")
SETTINGS = ComparisonSettings(magnitudes=["after"], non_negative=False, seed=4)
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


def random_frame(num_repeats: int) -> pd.DataFrame:
    """Random values of items, as a study that explains predictions has them: others in each repeat and pair."""
    generator = np.random.default_rng(7)
    frames = []
    for repeat in range(num_repeats):
        image, finding = np.nonzero(generator.random((NUM_IMAGES, 3)) < 0.6)
        for pair in ("0-1", "0-2", "1-2"):
            missing = generator.random(len(image)) < 0.2
            agree = generator.random(len(image)) < 0.5
            for metric, setting in (("saliency_ssim", ""), ("distance", "distance=l2")):
                for superpixels in ("Grid", "control:grid(Grid)"):
                    values = generator.random((3, len(image)))
                    columns = {
                        "pair": pair,
                        "superpixels": superpixels,
                        "magnitude": "after",
                        "metric": metric,
                        "setting": setting,
                        "index": 10 * image + 3,
                        "finding": pd.Categorical([NAMES[each] for each in finding], categories=NAMES),
                        "agree": agree,
                        "differ": ~agree & (generator.random(len(image)) < 0.7),
                        "num_segments": 4 + image,
                        "constant": generator.random(len(image)) < 0.5,
                        **dict(
                            zip(("value", "permuted", "mismatched"), np.where(missing, np.nan, values), strict=True)
                        ),
                    }
                    frames.append(pd.DataFrame(columns).assign(method="Gradient", repeat=repeat))
    return pd.concat(frames, ignore_index=True)


def drawn(rows: pd.DataFrame, column: str, copies: np.ndarray, images: list[int]) -> list[float]:
    found: list[float] = []
    for repeat, index, value in zip(rows["repeat"], rows["index"], rows[column], strict=True):
        found += [value] * int(copies[repeat, images.index(index)])
    return [value for value in found if not np.isnan(value)]


def mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else NAN


@pytest.mark.parametrize("num_repeats", [1, 3])
@pytest.mark.parametrize("finding", ["", *NAMES])
def test_numbers_and_intervals_equal_a_loop_that_draws_images(num_repeats: int, finding: str) -> None:
    frame = random_frame(num_repeats)
    results = summarize(frame, dataset="d", models="m", num_resamples=NUM_RESAMPLES, seed=5)
    images = sorted(frame["index"].unique())
    weights = bootstrap_weights(num_repeats, len(images), NUM_RESAMPLES, 5)
    own = frame[frame["finding"] == finding] if finding else frame
    for metric, source, setting in (("saliency_ssim", "saliency_ssim", ""), ("mege", "distance", "distance=l2")):
        excess, found = {}, {}
        for superpixels in ("Grid", "control:grid(Grid)"):
            of_metric = own[(own["metric"] == source) & (own["superpixels"] == superpixels)]
            counted = of_metric[of_metric["agree"]] if metric == "mege" else of_metric
            means = {
                name: np.array([mean(drawn(counted, name, each, images)) for each in weights])
                for name in ("value", "permuted", "mismatched")
            }
            numbers = {name: 1 / (1 + mean) if metric == "mege" else mean for name, mean in means.items()}
            floor = np.maximum(numbers["permuted"], numbers["mismatched"])
            excess[superpixels] = (numbers["value"] - floor) / (1 - floor)
            row = results[
                (results["metric"] == metric)
                & (results["setting"] == with_finding(setting, finding))
                & (results["superpixels"] == superpixels)
                & (results["pair"] == "all")
            ]
            assert len(row) == 1
            found[superpixels] = one = row.iloc[0]
            assert one["value"] == pytest.approx(numbers["value"][0], abs=1e-12)
            limits = np.nanpercentile(numbers["value"][1:], [2.5, 97.5])
            assert (one["ci_low"], one["ci_high"]) == pytest.approx(tuple(limits), abs=1e-12)
            assert one["floor"] == pytest.approx(floor[0], abs=1e-12)
            assert one["excess"] == pytest.approx(excess[superpixels][0], abs=1e-12)
            valid = counted[counted["value"].notna()]
            assert one["num_images"] == valid["index"].nunique()
            assert one["num_images"] + one["num_dropped"] == of_metric["index"].nunique()
            lively = valid[~valid["constant"]]
            assert one["num_constant"] == valid["index"].nunique() - lively["index"].nunique()
            assert one["num_wrong"] == of_metric.dropna()["index"].nunique() - one["num_images"]
        gain = excess["Grid"] - excess["control:grid(Grid)"]
        one = found["Grid"]
        assert one["gain"] == pytest.approx(gain[0], abs=1e-12)
        limits = np.nanpercentile(gain[1:], [2.5, 97.5])
        assert (one["gain_low"], one["gain_high"]) == pytest.approx(tuple(limits), abs=1e-12)


def test_reco_of_findings_is_the_distance_of_kolmogorov_and_smirnov() -> None:
    frame = random_frame(1)
    results = summarize(frame, dataset="d", models="m", num_resamples=0)
    for finding in ("", *NAMES):
        rows = frame[(frame["metric"] == "distance") & (frame["superpixels"] == "Grid")].dropna(subset="value")
        rows = rows[rows["finding"] == finding] if finding else rows
        row = results[
            (results["metric"] == "reco")
            & (results["superpixels"] == "Grid")
            & (results["setting"] == with_finding("distance=l2", finding))
        ].iloc[0]
        same, other = rows[rows["agree"]]["value"], rows[rows["differ"]]["value"]
        assert row["value"] == pytest.approx(ks_2samp(same, other, alternative="greater").statistic, abs=1e-12)


def test_a_row_over_all_comes_first_and_one_of_each_finding_follows_in_their_order() -> None:
    results = summarize(random_frame(1), dataset="d", models="m", num_resamples=0)
    rows = results[(results["metric"] == "saliency_ssim") & (results["superpixels"] == "Grid")]
    assert rows["pair"].tolist() == ["all", "0-1", "0-2", "1-2", "all", "all", "all"]
    assert [finding_of(setting) for setting in rows["setting"]] == ["", "", "", "", *NAMES]
    assert over_findings(rows)["pair"].tolist() == ["all", "0-1", "0-2", "1-2"]
    # by hand: sizes are 4 plus the image's position
    frame = random_frame(1)
    own = frame[(frame["finding"] == "tail") & (frame["metric"] == "saliency_ssim")].drop_duplicates("index")
    assert rows["mean_segments"].iloc[-1] == pytest.approx(own["num_segments"].mean())


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
    pd.testing.assert_frame_equal(over_findings(results).reset_index(drop=True), expected, check_exact=True)
    of_finding = results[[bool(finding_of(setting)) for setting in results["setting"]]].reset_index(drop=True)
    of_all = expected[expected["pair"] == "all"].reset_index(drop=True)
    pd.testing.assert_frame_equal(of_finding.drop(columns="setting"), of_all.drop(columns="setting"), check_exact=True)
    assert verdicts(single, num_resamples=NUM_RESAMPLES) == verdicts(binary, num_resamples=NUM_RESAMPLES)


def test_a_verdict_keeps_the_findings_of_an_image_in_one_half() -> None:
    frame = random_frame(1)
    rows = frame[(frame["metric"] == "saliency_ssim")]
    (verdict,) = verdicts(frame, num_resamples=200, seed=1)
    images = np.sort(rows["index"].unique())
    chosen = np.random.default_rng(1).permutation(images)[: len(images) // 2]
    reported = summarize(rows[~rows["index"].isin(chosen)], dataset="", models="", num_resamples=200, seed=1)
    row = reported[
        (reported["superpixels"] == "Grid") & (reported["pair"] == "all") & (reported["setting"] == "")
    ].iloc[0]
    assert verdict.num_images == row["num_images"] == len(images) - len(images) // 2
    numbers = (verdict.gain, verdict.low, verdict.high, verdict.excess)
    assert numbers == pytest.approx((row["gain"], row["gain_low"], row["gain_high"], row["excess"]), abs=1e-12)


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
    results = summarize(frame, dataset="", models="", num_resamples=50)
    rows = results[(results["metric"] == "saliency_ssim") & (results["pair"] == "all")].set_index("setting")
    assert rows["excess"]["finding=shared"] == pytest.approx(1, abs=1e-6)
    assert rows["excess"]["finding=own"] == pytest.approx(0, abs=0.1)
    assert rows["value"][""] == pytest.approx(rows["value"][["finding=shared", "finding=own"]].mean())
