"""The values of segments: exact ones, all coalitions in a loop, captum called by hand, a lasso and cases by hand."""

import math
from collections.abc import Callable
from itertools import combinations
from typing import Any

import captum.attr
import pytest
import torch
from sklearn.linear_model import Lasso
from torch import Tensor

from lightning_spx.attribution import (
    FeatureAblation,
    KernelShap,
    Lime,
    Perturbation,
    SegmentAttribution,
    ShapleyValueSampling,
)
from lightning_spx.attribution.noise import image_generators
from lightning_spx.superpixels import Grid
from tests.attribution.cases import Net, images, targets

EXACT: list[Perturbation] = [FeatureAblation(), ShapleyValueSampling(num_samples=2), KernelShap(num_samples=60)]
RANDOM: list[Perturbation] = [ShapleyValueSampling(3, seed=4), KernelShap(40, seed=4), Lime(40, seed=4)]
by_class = pytest.mark.parametrize("method", [FeatureAblation(), *RANDOM], ids=lambda method: type(method).__name__)


def bands(number: int, height: int = 10, width: int = 10) -> Tensor:
    """Label maps `(1, H, W)` of consecutive pixels."""
    return (torch.arange(height * width) * number // (height * width)).view(1, height, width)


def of_segments(result: Tensor, segments: Tensor) -> Tensor:
    """The value of each segment of one image's map, which must be constant on it, over all channels."""
    summed = result.sum(0)
    values = [summed[segments == each] for each in range(int(segments.max()) + 1)]
    assert all(bool((each == each[0]).all()) for each in values)
    assert all(bool((channel == result[0]).all()) for channel in result)
    return torch.stack([each[0] for each in values])


def explained(
    method: Perturbation,
    model: Callable[[Tensor], Tensor],
    image: Tensor,
    segments: Tensor,
    baseline: tuple[float, ...] = (0.0,),
) -> Tensor:
    """The values of the segments of one image, by a model that returns one logit for an image."""
    result = SegmentAttribution(method, Grid(4), baseline).attribute_over(model, image, None, segments)
    assert result.shape == image.shape
    return of_segments(result[0], segments[0])


@pytest.mark.parametrize("method", EXACT, ids=lambda method: type(method).__name__)
@pytest.mark.parametrize("number", [1, 2, 3, 7, 20, 50])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_the_values_of_a_linear_network_are_exact(method: Perturbation, number: int, channels: int) -> None:
    generator = torch.Generator().manual_seed(number)
    image, weights = torch.rand(2, 1, channels, 10, 10, generator=generator)
    baseline, segments = (0.25,) * channels, bands(number)
    contributions = ((image - 0.25) * (weights - 0.5))[0].sum(0)
    expected = torch.stack([contributions[segments[0] == each].sum() for each in range(number)])

    def linear(points: Tensor) -> Tensor:
        logits: Tensor = (points * (weights - 0.5)).sum((1, 2, 3)) + 7
        return logits

    assert torch.allclose(explained(method, linear, image, segments, baseline=baseline), expected, atol=3e-5)


def shapley_values(worth: Callable[[frozenset[int]], float], number: int) -> list[float]:
    """The mean of what a segment adds, over all coalitions of the others (Shapley 1953)."""
    values = []
    for each in range(number):
        others = [other for other in range(number) if other != each]
        total = 0.0
        for size in range(number):
            weight = math.factorial(size) * math.factorial(number - size - 1) / math.factorial(number)
            for chosen in combinations(others, size):
                total += weight * (worth(frozenset({*chosen, each})) - worth(frozenset(chosen)))
        values.append(total)
    return values


def interacting(points: Tensor) -> Tensor:
    """The product of two segments of `bands(4)`, and twice a third, of the first row of 4 pixels."""
    row = points[:, 0, 0]
    logits: Tensor = row[:, 0] * row[:, 1] + 2 * row[:, 2] - 3 * row[:, 0] * row[:, 2]
    return logits


FOUR = torch.tensor([[[[1.0, 2.0, 0.5, 3.0]]]])


def worth(present: frozenset[int]) -> float:
    kept = torch.tensor([float(each in present) for each in range(4)])
    return float(interacting(FOUR * kept))


@pytest.mark.parametrize(
    "method", [ShapleyValueSampling(1000), KernelShap(4000)], ids=lambda method: type(method).__name__
)
def test_interacting_segments_have_their_shapley_values(method: Perturbation) -> None:
    expected = torch.tensor(shapley_values(worth, 4))
    # by hand: a product is shared by its two factors
    assert torch.allclose(expected, torch.tensor([1 - 0.75, 1.0, 1 - 0.75, 0.0]))
    found = explained(method, interacting, FOUR, torch.arange(4).view(1, 1, 4))
    # three standard errors of 1000 orders, in which the second segment adds 0 or 2
    assert torch.allclose(found, expected, atol=0.1)
    assert found.sum() == pytest.approx(float(interacting(FOUR)), abs=1e-5)


def test_the_ablation_of_interacting_segments_is_what_is_lost_without_each() -> None:
    found = explained(FeatureAblation(), interacting, FOUR, torch.arange(4).view(1, 1, 4))
    whole = worth(frozenset(range(4)))
    assert found.tolist() == [whole - worth(frozenset(range(4)) - {each}) for each in range(4)]


@by_class
def test_equals_captum_called_by_hand(method: Perturbation) -> None:
    network, segments = Net().eval(), bands(6)
    arguments: dict[str, Any] = (
        {} if isinstance(method, FeatureAblation) else {"n_samples": vars(method)["num_samples"]}
    )
    result = SegmentAttribution(method, Grid(4), baseline=(0.1, 0.2, 0.3)).attribute_over(
        network, images(2), targets(2), segments.expand(2, -1, -1)
    )
    for image, target, found in zip(images(2)[:, None], targets(2), result, strict=True):
        baseline = torch.tensor([0.1, 0.2, 0.3])[None, :, None, None].expand_as(image)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(next(image_generators(image, 4)).initial_seed())
            expected = getattr(captum.attr, type(method).__name__)(network).attribute(
                image, baseline, target=int(target), feature_mask=segments[None], **arguments
            )
        # captum gives every channel the value, and its regression is one in float32
        assert torch.allclose(found, expected[0] / 3, atol=1e-4 if isinstance(method, KernelShap) else 1e-6)
        assert found.abs().max() > 0.01


@pytest.mark.parametrize("width", [0.1, 1.0])
def test_lime_is_a_lasso_on_weighted_coalitions(width: float) -> None:
    image, segments, network = images(1), bands(5), Net().eval()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(next(image_generators(image, 2)).initial_seed())
        coalitions = torch.cat([torch.bernoulli(torch.full((1, 5), 0.5)) for _ in range(80)])
    points = image * coalitions[:, segments[0]][:, None]
    cosine = torch.nn.functional.cosine_similarity(points.flatten(1), image.flatten(1))
    weights = torch.exp(-((1 - cosine) ** 2) / (2 * width**2))
    with torch.no_grad():
        logits = network(points)[:, 1]
    lasso = Lasso(alpha=0.02).fit(coalitions.double(), logits.double(), sample_weight=weights.double())
    result = SegmentAttribution(Lime(80, 2, alpha=0.02, kernel_width=width), Grid(4)).attribute_over(
        network, image, torch.tensor([1]), segments
    )
    assert torch.allclose(of_segments(result[0], segments[0]), torch.tensor(lasso.coef_).float(), atol=1e-3)
    assert (lasso.coef_ != 0).sum() >= 3


def test_a_lasso_that_hides_every_segment_says_so(recwarn: pytest.WarningsRecorder) -> None:
    def faint(points: Tensor) -> Tensor:
        return points.mean((1, 2, 3)) / 100

    assert not explained(Lime(40), faint, images(1), bands(4)).any()
    assert "every segment of an image the value 0, though its logits differ by 0.00" in str(recwarn.pop().message)
    assert explained(Lime(40, alpha=1e-5), faint, images(1), bands(4)).all()
    assert not explained(Lime(40), faint, torch.zeros(1, 3, 10, 10), bands(4)).any()
    assert not recwarn.list


@pytest.mark.parametrize("method", RANDOM, ids=lambda method: type(method).__name__)
def test_a_seed_is_needed_for_the_same_values_and_suffices(method: Perturbation) -> None:
    image, segments = images(1), bands(8)

    def found(chosen: Perturbation) -> Tensor:
        torch.rand(3)
        method = SegmentAttribution(chosen, Grid(4))
        return method.attribute_over(Net(), image, torch.tensor([0]), segments)

    assert torch.equal(found(method), found(method))
    assert not torch.allclose(found(method), found(type(method)(**{**vars(method), "seed": 5})), atol=1e-3)


def test_values_that_the_coalitions_leave_open_are_refused() -> None:
    def sums(points: Tensor) -> Tensor:
        return points.sum((1, 2, 3))

    with pytest.raises(
        ValueError, match=r"`num_samples` of KernelShap to be more than the 20 segments .*, got 20: take"
    ):
        explained(KernelShap(20), sums, images(1), bands(20))
    # of just as many coalitions as unknown values two are the same
    with pytest.raises(ValueError, match=r"`num_samples` of KernelShap to determine the values of 20 segments, got 21"):
        explained(KernelShap(21), sums, images(1), bands(20))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: KernelShap(2), "`num_samples` to be at least 3, got 2"),
        (lambda: ShapleyValueSampling(0), "`num_samples` to be at least 1, got 0"),
        (lambda: Lime(1), "`num_samples` to be at least 2, got 1"),
        (lambda: Lime(alpha=0.0), "`alpha` to be positive and finite, got 0.0"),
        (lambda: Lime(kernel_width=math.nan), "`kernel_width` to be positive and finite, got nan"),
    ],
)
def test_settings_out_of_range_are_refused(build: Callable[[], Perturbation], message: str) -> None:
    with pytest.raises(ValueError, match=f"Expected {message}"):
        build()


@pytest.mark.parametrize("settings", [{"num_samples": 2.5}, {"seed": 0.5}, {"seed": None}])
def test_settings_of_another_type_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=f"Expected `{next(iter(settings))}` to be an integer, got"):
        KernelShap(**settings)
