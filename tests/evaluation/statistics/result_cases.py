"""Random per-image values, their summary, and the means of their resamples, computed slowly."""

from itertools import combinations, product

import numpy as np
import pandas as pd

from lightning_spx.evaluation.statistics.bootstrap import bootstrap_weights
from lightning_spx.evaluation.statistics.results import summarize

NUM_RESAMPLES = 60
CONTROLS = [f"control:{kind}(Grid)" for kind in ("grid", "voronoi", "borrowed", "blur")]
POOLINGS = [("pixel", "either"), *product(["Grid", *CONTROLS], ["after", "before"])]
METRICS = [("saliency_ssim", ""), ("distance", "distance=l2")]


def per_image(num_models: int = 2, num_images: int = 9, num_repeats: int = 1) -> pd.DataFrame:
    """Random values as `compare` gives them; two images agree, one differs, one is missed by both, and so on."""
    generator = np.random.default_rng(3)
    frames = []
    pairs = [f"{first}-{second}" for first, second in combinations(range(num_models), 2)]
    for repeat, pair in product(range(num_repeats), pairs):
        agree = np.arange(num_images) % 3 != 0
        differ = np.arange(num_images) % 6 == 0
        for (superpixels, magnitude), (metric, setting) in product(POOLINGS, METRICS):
            columns = {
                "pair": pair,
                "superpixels": superpixels,
                "magnitude": magnitude,
                "metric": metric,
                "setting": setting,
                "index": 10 * np.arange(num_images)[::-1],
                "agree": agree,
                "differ": differ,
                "num_segments": 1024 if superpixels == "pixel" else 4 + np.arange(num_images),
                "constant": False,
                "value": generator.uniform(0.3, 0.9, num_images),
                "permuted": generator.uniform(0.0, 0.4, num_images),
                "mismatched": generator.uniform(0.1, 0.5, num_images),
            }
            frames.append(pd.DataFrame(columns).assign(method="Gradient", repeat=repeat))
    return pd.concat(frames, ignore_index=True)


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    return summarize(frame, dataset="birds", models="2 x Net", num_resamples=NUM_RESAMPLES, seed=5)


def row_of(results: pd.DataFrame, superpixels: str, magnitude: str, metric: str, pair: str = "all") -> pd.Series:
    chosen = results.query(
        "superpixels == @superpixels and magnitude == @magnitude and metric == @metric and pair == @pair "
        "and condition == 'all'"
    )
    assert len(chosen) == 1
    return chosen.iloc[0]


def resampled_means(frame: pd.DataFrame, superpixels: str, magnitude: str, column: str) -> list[float]:
    """The mean of a column in the sample and in each resample, every drawn image counted as often as it was drawn."""
    rows = frame.query("superpixels == @superpixels and magnitude == @magnitude and metric == 'saliency_ssim'")
    images = sorted(rows["index"].unique())
    means = []
    for weights in bootstrap_weights(len(images), NUM_RESAMPLES, 5):
        drawn: list[float] = []
        for _, row in rows.iterrows():
            copies = int(weights[images.index(row["index"])])
            if not np.isnan(row[column]):
                drawn += [float(row[column])] * copies
        means.append(float(np.mean(drawn)))
    return means
