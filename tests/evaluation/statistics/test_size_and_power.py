"""The test of the statistics: how often a study calls something a gain when there is none, and when there is one."""

import copy
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from lightning_spx.evaluation.maps.pooling_lists import make_poolings
from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.evaluation.statistics.comparison import ComparisonSettings, compare
from lightning_spx.evaluation.statistics.image_facts import ImageFacts
from lightning_spx.evaluation.statistics.results import summarize
from lightning_spx.superpixels import Slic, segment_pool

# the first is what `make test` has time for, the second is for `make soak`
repetitions = pytest.mark.parametrize("number", [4, pytest.param(200, marks=pytest.mark.soak)])
SIZE = 32


def cartoon_images(generator: np.random.Generator, num_images: int) -> Tensor:
    """Images of flat regions with irregular outlines, so that SLIC has something to follow."""
    fields = ndimage.gaussian_filter(generator.normal(size=(num_images, 4, SIZE, SIZE)), (0, 0, 4, 4))
    regions = fields.argmax(1)
    colors = generator.uniform(size=(num_images, 4, 3))
    images = np.take_along_axis(colors, regions.reshape(num_images, -1, 1), axis=1)
    return torch.from_numpy(images.transpose(0, 2, 1).reshape(num_images, 3, SIZE, SIZE)).float()


def segment_signal(generator: np.random.Generator, segments: Tensor) -> Tensor:
    """A signal that is constant on the images' own segments, and lies on a fifth of them, as an object would."""
    values = torch.from_numpy(generator.normal(size=(len(segments), 3, SIZE, SIZE))).float()
    salient = torch.from_numpy(generator.uniform(size=(len(segments), int(segments.max()) + 1)) < 0.2)
    signal = segment_pool(values, segments) * salient.gather(1, segments.flatten(1)).view_as(segments)[:, None]
    return signal / signal.std()


def smooth_signal(generator: np.random.Generator, num_images: int) -> Tensor:
    """A signal that is smooth and knows nothing of the segments."""
    values = ndimage.gaussian_filter(generator.normal(size=(num_images, 3, SIZE, SIZE)), (0, 0, 2, 2), mode="wrap")
    return torch.from_numpy(values / values.std()).float()


def rows_of_a_study(attributions: Tensor, poolings: list[Pooling], seed: int) -> pd.DataFrame:
    num_images = attributions.shape[1]
    images = ImageFacts(
        index=torch.arange(num_images),
        label=torch.zeros(num_images, dtype=torch.int64),
        preds=torch.zeros(2, num_images, dtype=torch.int64),
        held_out=None,
        permutation=derangement(num_images, seed),
    )
    settings = ComparisonSettings(magnitudes=["after", "before"], has_one_order=False, seed=seed)
    frame = compare(attributions, poolings, images, settings, distances=["l2"])
    frame = frame.assign(method="planted", repeat=0)
    results = summarize(frame, dataset="cartoon", models="2", num_resamples=400, seed=seed)
    return results[results["superpixels"] == "Slic"]


@lru_cache(8)  # what the three tests of a short run share
def segmented(repetition: int, num_images: int) -> tuple[Tensor, list[Pooling], np.random.Generator]:
    """Segments of images, their poolings, and a generator that has drawn the images."""
    generator = np.random.default_rng([repetition, 7])
    segments = Slic(n_segments=100, compactness=1.0)(cartoon_images(generator, num_images))
    permutation = derangement(num_images, repetition)
    poolings = make_poolings({"Slic": segments}, torch.arange(num_images), permutation, repetition)
    return segments, poolings, generator


def share_of_gains(kind: str, num_images: int, num_repetitions: int) -> dict[tuple[str, str], float]:
    """Share of repetitions in which each row, by metric and magnitude, claims a gain."""
    gains: dict[tuple[str, str], list[bool]] = {}
    for repetition in range(num_repetitions):
        segments, poolings, drawn = segmented(repetition, num_images)
        generator = copy.deepcopy(drawn)
        noise = torch.from_numpy(generator.normal(size=(2, num_images, 3, SIZE, SIZE))).float()
        if kind == "segments":
            noise += 0.5 * segment_signal(generator, segments)
        elif kind == "smooth":
            noise += 0.5 * smooth_signal(generator, num_images)
        for _, row in rows_of_a_study(noise, poolings, repetition).iterrows():
            gains.setdefault((row["metric"], row["magnitude"]), []).append(bool(row["gain_low"] > 0))
    return {key: float(np.mean(claims)) for key, claims in gains.items()}


# ReCo needs images that only one model predicts correctly; the planted models agree on all
METRICS = ("saliency_ssim", "topk_overlap", "mege")


@repetitions
def test_independent_noise_is_no_gain(number: int) -> None:
    shares = share_of_gains("noise", num_images=48, num_repetitions=number)
    assert all(shares[metric, order] <= 0.05 for metric in METRICS for order in ("after", "before")), shares


@repetitions
def test_a_signal_on_the_segments_is_a_gain(number: int) -> None:
    shares = share_of_gains("segments", num_images=48, num_repetitions=number)
    assert all(shares[metric, "after"] >= 0.9 for metric in METRICS), shares


@repetitions
def test_a_smooth_signal_is_no_gain(number: int) -> None:
    shares = share_of_gains("smooth", num_images=48, num_repetitions=number)
    assert all(shares[metric, order] <= 0.05 for metric in METRICS for order in ("after", "before")), shares
