"""Our metrics of two maps and torchmetrics' in one collection: each has the value that it has alone."""

import pickle
from collections.abc import Callable, Mapping
from functools import cache
from itertools import permutations

import pytest
import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure
from torchmetrics.regression import MeanSquaredError
from torchmetrics.wrappers import BootStrapper, MetricTracker, MinMaxMetric, Running

from lightning_spx.metrics import FidelityError, SaliencySSIM, TopKOverlap, fidelity_error, saliency_ssim, topk_overlap
from tests.metrics.reference_ssim import reference_ssim

BUILD: dict[str, Callable[[], Metric]] = {
    "SaliencySSIM": SaliencySSIM,
    "StructuralSimilarityIndexMeasure": lambda: StructuralSimilarityIndexMeasure(data_range=1.0),
    "TopKOverlap": TopKOverlap,
    "PeakSignalNoiseRatio": lambda: PeakSignalNoiseRatio(data_range=1.0),
    "FidelityError": FidelityError,
}
DRAW = torch.Generator().manual_seed(0)
FIRST, SECOND = torch.rand(2, 7, 1, 16, 19, generator=DRAW)
BATCHES = list(zip(FIRST.split([2, 4, 1]), SECOND.split([2, 4, 1]), strict=True))


def loop() -> Tensor:
    """SSIM of scikit-image, image by image."""
    pairs = zip(FIRST[:, 0].double().numpy(), SECOND[:, 0].double().numpy(), strict=True)
    return torch.tensor([reference_ssim(*pair) for pair in pairs]).mean()


@cache
def alone() -> dict[str, Tensor]:
    values = {}
    for name, build in BUILD.items():
        metric = build()
        for batch in BATCHES:
            metric.update(*batch)
        values[name] = metric.compute()
    return values


def same(found: Mapping[str, Tensor], prefix: str = "") -> None:
    right = {f"{prefix}{name}": value for name, value in alone().items()}
    assert found.keys() == right.keys()
    for name, value in right.items():
        torch.testing.assert_close(found[name], value, msg=name)
    torch.testing.assert_close(found[f"{prefix}SaliencySSIM"], loop().float(), atol=1e-6, rtol=0)


def updated(collection: MetricCollection) -> MetricCollection:
    for batch in BATCHES:
        collection.update(*batch)
    return collection


@pytest.mark.parametrize("groups", [True, False])
def test_in_any_order_as_a_list_or_with_names(groups: bool) -> None:
    for names in permutations(BUILD, 2):
        found = updated(MetricCollection([BUILD[name]() for name in names], compute_groups=groups)).compute()
        assert found.keys() == set(names)
        for name in names:
            torch.testing.assert_close(found[name], alone()[name])
    same(updated(MetricCollection({name: build() for name, build in BUILD.items()}, compute_groups=groups)).compute())
    same(updated(MetricCollection([build() for build in BUILD.values()], compute_groups=groups)).compute())


def test_clones_with_a_prefix_copies_and_resets() -> None:
    collection = MetricCollection([build() for build in BUILD.values()])
    same(updated(collection.clone(prefix="val/")).compute(), "val/")
    collection.update(SECOND, SECOND)
    collection.reset()
    collection.update(*BATCHES[0])
    copied = pickle.loads(pickle.dumps(collection))
    for each in (collection, copied):
        for batch in BATCHES[1:]:
            each.update(*batch)
        same(each.compute())


def test_forward_gives_the_batch_and_keeps_the_mean() -> None:
    collection = MetricCollection([build() for build in BUILD.values()])
    for first, second in BATCHES:
        now = collection(first, second)
        torch.testing.assert_close(now["SaliencySSIM"], saliency_ssim(first, second).mean())
        torch.testing.assert_close(now["TopKOverlap"], topk_overlap(first, second).mean())
    same(collection.compute())


def test_names_of_arguments_tell_them_apart() -> None:
    collection = MetricCollection([build() for build in BUILD.values()])
    collection.update(preds=FIRST, target=SECOND, saliency=FIRST[:, 0], reference=SECOND[:, 0])
    found = collection.compute()
    torch.testing.assert_close(found["SaliencySSIM"], loop().float(), atol=1e-6, rtol=0)
    torch.testing.assert_close(found["PeakSignalNoiseRatio"], alone()["PeakSignalNoiseRatio"])


def test_signed_attributions_suit_both() -> None:
    first, second = torch.randn(2, 3, 3, 16, 19, generator=DRAW)
    collection = MetricCollection([SaliencySSIM("signed"), MeanSquaredError()])
    collection.update(first, second)
    found = collection.compute()
    torch.testing.assert_close(found["SaliencySSIM"], saliency_ssim(first, second, "signed").mean())
    torch.testing.assert_close(found["MeanSquaredError"], (first - second).square().mean())


def test_wrappers_of_torchmetrics_take_it() -> None:
    pair = FIRST[:, 0], SECOND[:, 0]
    expected = saliency_ssim(*pair).mean()
    lowest = MinMaxMetric(SaliencySSIM())
    torch.testing.assert_close(lowest(*pair)["raw"], expected)
    running = Running(SaliencySSIM(), window=1)
    running(FIRST[:, 0], FIRST[:, 0])
    running(*pair)
    torch.testing.assert_close(running.compute(), expected)
    tracker = MetricTracker(SaliencySSIM())
    for maps in pair:
        tracker.increment()
        tracker.update(maps, pair[1])
    assert tracker.best_metric(return_step=True) == (1.0, 1)
    resampled = BootStrapper(SaliencySSIM(), num_bootstraps=20)
    resampled.update(*pair)
    values = saliency_ssim(*pair)
    assert values.min() <= resampled.compute()["mean"] <= values.max()


@pytest.mark.parametrize("function", [saliency_ssim, topk_overlap, fidelity_error])
def test_a_single_channel_is_a_map_and_other_shapes_say_what_to_type(function: Callable[..., Tensor]) -> None:
    expected = function(FIRST[:, 0], SECOND[:, 0])
    for first, second in ((FIRST, SECOND), (FIRST, SECOND[:, 0]), (FIRST[:, 0], SECOND)):
        assert torch.equal(function(first, second), expected)
    with pytest.raises(ValueError, match=r"got \(16, 19\): give one image as a batch, saliency\[None\]\.$"):
        function(FIRST[0, 0], SECOND[0, 0])
    with pytest.raises(ValueError, match=r"got \(7, 3, 16, 19\): reduce channels with `saliency_map`\.$"):
        function(FIRST.expand(-1, 3, -1, -1), SECOND.expand(-1, 3, -1, -1))
    with pytest.raises(
        TypeError, match=r"`saliency` to be a tensor .*, got ndarray: give torch\.as_tensor\(saliency\)"
    ):
        function(FIRST.numpy(), SECOND)
    with pytest.raises(ValueError, match=r"on the device of `saliency`, cpu, got meta: give reference\.to\("):
        function(FIRST, SECOND.to("meta"))
    with pytest.raises(ValueError, match=r"got \(7, 16, 19\): give maps without channels as saliency\[:, None\]"):
        saliency_ssim(FIRST[:, 0], SECOND[:, 0], "signed")
