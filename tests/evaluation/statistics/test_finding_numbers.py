"""Numbers over all findings and of each against loops that draw images, so that findings of one stay together."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from lightning_spx.evaluation.statistics.bootstrap import bootstrap_weights
from lightning_spx.evaluation.statistics.results import summarize
from lightning_spx.evaluation.statistics.verdict import verdicts
from lightning_spx.reporting.rows import finding_of, of_condition, over_findings, with_finding
from tests.evaluation.statistics.slow_limits import expanded

NAMES = ("red wing", "a;b=c%", "tail")
NUM_IMAGES, NUM_RESAMPLES = 9, 40
NAN = float("nan")


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
    for index, value in zip(rows["index"], rows[column], strict=True):
        found += [value] * int(copies[images.index(index)])
    return [value for value in found if not np.isnan(value)]


def mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else NAN


@pytest.mark.parametrize("num_repeats", [1, 3])
@pytest.mark.parametrize("finding", ["", *NAMES])
def test_numbers_and_intervals_equal_a_loop_that_draws_images(num_repeats: int, finding: str) -> None:
    frame = random_frame(num_repeats)
    results = summarize(frame, dataset="d", models="m", num_resamples=NUM_RESAMPLES, seed=5, over_trainings=False)
    images = sorted(frame["index"].unique())
    weights = bootstrap_weights(len(images), NUM_RESAMPLES, 5)
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
                & (results["condition"] == "all")
            ]
            assert len(row) == 1
            found[superpixels] = one = row.iloc[0]
            assert one["value"] == pytest.approx(numbers["value"][0], abs=1e-12)
            limits = expanded(numbers["value"][1:], one["num_images"])
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
        limits = expanded(gain[1:], one["num_images"])
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
    results = of_condition(summarize(random_frame(1), dataset="d", models="m", num_resamples=0))
    rows = results[(results["metric"] == "saliency_ssim") & (results["superpixels"] == "Grid")]
    assert rows["pair"].tolist() == ["all", "0-1", "0-2", "1-2", "all", "all", "all"]
    assert [finding_of(setting) for setting in rows["setting"]] == ["", "", "", "", *NAMES]
    assert over_findings(rows)["pair"].tolist() == ["all", "0-1", "0-2", "1-2"]
    # by hand: sizes are 4 plus the image's position
    frame = random_frame(1)
    own = frame[(frame["finding"] == "tail") & (frame["metric"] == "saliency_ssim")].drop_duplicates("index")
    assert rows["mean_segments"].iloc[-1] == pytest.approx(own["num_segments"].mean())


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
