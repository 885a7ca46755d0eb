"""Perturbed segments: each image alone with its own, in any batch and chunk, over any network; else one clear line."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from typing import Any, cast

import pytest
import torch
from jsonargparse import ArgumentParser
from torch import Tensor, nn

from lightning_spx.attribution import (
    Attribution,
    FeatureAblation,
    KernelShap,
    Lime,
    Perturbation,
    SegmentAttribution,
    ShapleyValueSampling,
    perturbation,
)
from lightning_spx.attribution.perturbation import Logit
from lightning_spx.attribution.reseed import is_random, reseed
from lightning_spx.reporting.display_names import unique_names
from lightning_spx.superpixels import Felzenszwalb, Grid, Slic, Voronoi
from tests.attribution.cases import Net, Notes, images, random_states, relative, targets
from tests.attribution.test_perturbations import bands
from tests.attribution.test_plugged_in import Preparing
from tests.attribution.test_token_maps import Planted

METHODS: list[Perturbation] = [FeatureAblation(), ShapleyValueSampling(3), KernelShap(20), Lime(30)]
by_class = pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)


def own_segments() -> Tensor:
    """Another number of segments for each of four images: one, two, five and ten."""
    return torch.cat([bands(number) for number in (1, 2, 5, 10)])


def over(method: Perturbation, model: Callable[[Tensor], Tensor], chunk_size: int | None = None) -> Tensor:
    explaining = SegmentAttribution(method, Grid(4), chunk_size=chunk_size)
    return explaining.attribute_over(model, images(), targets(), own_segments())


@by_class
def test_an_image_has_the_same_values_alone_and_in_any_batch(method: Perturbation) -> None:
    together = over(method, Net())
    for place in range(4):
        here = slice(place, place + 1)
        alone = SegmentAttribution(method, Grid(4)).attribute_over(
            Net(), images()[here], targets()[here], own_segments()[here]
        )
        assert torch.allclose(alone, together[here], atol=1e-5)
    backwards = SegmentAttribution(method, Grid(4)).attribute_over(
        Net(), images().flip(0), targets().flip(0), own_segments().flip(0)
    )
    assert torch.allclose(backwards.flip(0), together, atol=1e-5)


@by_class
@pytest.mark.parametrize("chunk_size", [1, 7, 1000])
def test_the_values_do_not_depend_on_chunks(method: Perturbation, chunk_size: int) -> None:
    assert torch.allclose(over(method, Net(), chunk_size), over(method, Net()), atol=1e-5)


@by_class
def test_no_more_copies_than_the_chunk_size_are_evaluated_at_once(method: Perturbation) -> None:
    lengths, network = Notes(), Net().eval()

    def model(points: Tensor) -> Tensor:
        lengths.append(len(points))
        logits: Tensor = network(points)
        return logits

    over(method, model, chunk_size=4)
    assert max(lengths.taken) == 4


@by_class
def test_segments_are_those_of_the_segmenter(method: Perturbation) -> None:
    segmenter = Slic(n_segments=6)
    explaining = SegmentAttribution(method, segmenter)
    assert explaining.segmenters == (segmenter,)
    result = explaining.attribute(Net(), images(), targets())
    segments = segmenter(images())
    for given in (segments, segments[:, None]):
        assert torch.equal(explaining.attribute_over(Net(), images(), targets(), given), result)


@by_class
def test_an_image_that_is_its_own_baseline_has_no_values(method: Perturbation) -> None:
    black = torch.zeros(1, 3, 10, 10)
    result = SegmentAttribution(method, Grid(4)).attribute_over(Net(), black, torch.tensor([1]), bands(5))
    assert torch.allclose(result, torch.zeros(()), atol=1e-6)


@by_class
def test_networks_of_every_form_are_explained(method: Perturbation) -> None:
    network, expected = Net().eval(), over(method, Net())

    def class_one(points: Tensor) -> Tensor:
        logits: Tensor = network(points)[:, 1]
        return logits

    def returns_more(points: Tensor) -> Tensor:
        return cast(Tensor, {"logits": network(points), "features": points})

    explaining = SegmentAttribution(method, Grid(4))
    scalar = explaining.attribute_over(class_one, images(), None, own_segments())
    assert torch.allclose(scalar[1], expected[1], atol=1e-6)
    assert torch.allclose(over(method, returns_more), expected, atol=1e-6)
    in_place, apart = (over(method, Preparing(in_place)) for in_place in (True, False))
    assert torch.allclose(in_place, apart, atol=1e-6)
    tokens = explaining.attribute(Planted(), torch.rand(2, 3, 32, 32), torch.tensor([0, 1]))
    assert bool(tokens.abs().amax((1, 2, 3)).gt(0).all())


@by_class
@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", torch.bfloat16)])
def test_the_surroundings_of_a_call_change_nothing(method: Perturbation, around: Callable[[], Any]) -> None:
    network, states = Net().train(), random_states()
    with around():
        result = over(method, network)
    assert random_states() == states
    assert network.training
    assert not result.is_inference() or around is torch.inference_mode
    assert torch.equal(result.clone(), over(method, Net()))


def test_bfloat16_is_near() -> None:
    mixed = SegmentAttribution(FeatureAblation(), Grid(4), precision="bf16").attribute(Net(), images(), targets())
    plain = SegmentAttribution(FeatureAblation(), Grid(4)).attribute(Net(), images(), targets())
    assert 0 < relative(mixed, plain) < 0.1


@by_class
def test_a_logit_that_is_not_finite_names_the_image(method: Perturbation) -> None:
    def broken(points: Tensor) -> Tensor:
        logits: Tensor = Net().eval()(points)
        # of the third image alone the first pixel is this, whatever segment is removed but the first
        return torch.where(points[:, 0, 0, :1] == images()[2, 0, 0, 0], torch.nan, logits)

    name = type(method).__name__
    with pytest.raises(ValueError, match=rf"SegmentAttribution\({name}\): expected a finite model .* positions \[2\]"):
        over(method, broken)


class Mixing(nn.Module):
    def forward(self, points: Tensor) -> Tensor:
        return (points - points.mean(0)).flatten(1)


def test_a_network_that_mixes_the_images_of_a_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected Mixing to answer each image by itself"):
        over(FeatureAblation(), Mixing())


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        (bands(4), r"`segments` of shape \(4, 10, 10\) for these inputs, got \(1, 10, 10\)"),
        (bands(4, 5, 20).expand(4, -1, -1), r"`segments` of shape \(4, 10, 10\) for these inputs, got \(4, 5, 20\)"),
        (own_segments()[:, None].expand(-1, 2, -1, -1), r"`segments` to have shape \(N, H, W\), got \(4, 2, 10, 10\)"),
        (own_segments() * 2, "`segments` to hold ids 0..S-1 without gaps, got 2 ids up to 2 in image 1"),
        (own_segments() - 1, "`segments` to hold ids 0..S-1 without gaps, got ids from -1"),
        (own_segments().float(), "`segments` to be int64, got torch.float32"),
        (cast(Any, own_segments().numpy()), "`segments` to be int64, got ndarray"),
    ],
)
def test_segments_that_do_not_fit_are_refused(segments: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=f"Expected {message}"):
        SegmentAttribution(KernelShap(20), Grid(4)).attribute_over(Net(), images(), targets(), segments)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"method": KernelShap}, TypeError, r"`method` to be a Perturbation, such as KernelShap\(\), got <class"),
        ({"superpixels": 4}, TypeError, r"`superpixels` to be a Segmenter, such as Slic\(\), got 4"),
        ({"baseline": ()}, ValueError, "`baseline` to hold finite values"),
        ({"baseline": 0.5}, TypeError, "`baseline` to be a tuple"),
        ({"precision": "fp16"}, ValueError, "`precision` to be 'fp32' or 'bf16'"),
        ({"chunk_size": 0}, ValueError, "`chunk_size` to be positive or None"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"Expected {message}"):
        SegmentAttribution(**settings)


def test_a_baseline_of_another_number_of_channels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Expected `baseline` to broadcast to \(4, 3, 10, 10\)"):
        SegmentAttribution(Lime(), Grid(4), (0.1, 0.2)).attribute(Net(), images(), targets())


@dataclass(frozen=True)
class Returning(Perturbation):
    """What a user writes, with a seed of its own and without captum."""

    number: float
    length: int = 4
    seed: int = 0

    def values(self, logit: Logit, image: Tensor, baseline: Tensor, segments: Tensor, at_once: int) -> Tensor:
        return torch.full((self.length,), self.number)


def test_a_perturbation_may_be_a_users_own() -> None:
    own = SegmentAttribution(Returning(6.0), Grid(4))
    assert torch.equal(own.attribute(Net(), images(), targets()), torch.full((4, 3, 10, 10), 2.0))
    assert reseed(own, 2).method == Returning(6.0, seed=2)
    assert list(unique_names([own, SegmentAttribution(Returning(7.0), Grid(4))])) == [
        "Returning(number=6.0)",
        "Returning(number=7.0)",
    ]
    with pytest.raises(ValueError, match=r"SegmentAttribution\(Returning\) to give each .* \(4,\), got \(3,\)"):
        SegmentAttribution(Returning(6.0, 3), Grid(4)).attribute(Net(), images(), targets())
    with pytest.raises(ValueError, match=r"SegmentAttribution\(Returning\): expected a finite attribution, .* \[0\]"):
        SegmentAttribution(Returning(float("inf")), Grid(4)).attribute(Net(), images(), targets())


@pytest.mark.parametrize(("method", "package"), [(FeatureAblation(), "captum"), (Lime(), "sklearn")])
def test_a_package_that_is_missing_is_named_at_once(
    method: Perturbation, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(name: str) -> ModuleSpec | None:
        return None if name == package else importlib.util.find_spec(name)

    monkeypatch.setattr(perturbation, "find_spec", found)
    with pytest.raises(
        ImportError, match=rf"Expected {package} for .*: python -m pip install 'lightning_spx\[captum\]'"
    ):
        SegmentAttribution(method)


def test_only_what_draws_has_a_seed_and_a_segmenter_keeps_its_own() -> None:
    assert is_random(SegmentAttribution(FeatureAblation(), Voronoi(seed=3))) is False
    for method in METHODS[1:]:
        explaining = SegmentAttribution(method, Voronoi(seed=3))
        assert is_random(explaining) is True
        assert reseed(explaining, 2) == SegmentAttribution(reseed(method, 2), Voronoi(seed=3))
    assert reseed(KernelShap(seed=1), 2) == KernelShap(seed=3)


def test_tables_name_the_perturbation() -> None:
    several = [SegmentAttribution(method) for method in METHODS]
    assert list(unique_names(several)) == ["FeatureAblation", "ShapleyValueSampling", "KernelShap", "Lime"]
    namesakes = [
        *(SegmentAttribution(KernelShap(number), segmenter) for number in (20, 40) for segmenter in (Slic(), Grid())),
        SegmentAttribution(Lime(), Felzenszwalb()),
    ]
    assert list(unique_names(namesakes)) == [
        "KernelShap(num_samples=20,superpixels=Slic)",
        "KernelShap(num_samples=20,superpixels=Grid)",
        "KernelShap(num_samples=40,superpixels=Slic)",
        "KernelShap(num_samples=40,superpixels=Grid)",
        "Lime",
    ]
    with pytest.raises(ValueError, match="Expected different items in a list, got Lime twice"):
        unique_names([SegmentAttribution(Lime()), SegmentAttribution(Lime())])


def study(methods: list[Attribution]) -> list[Attribution]:
    return methods


def test_it_is_built_from_yaml_and_written_back() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_function_arguments(study)
    written = """
    methods:
      - class_path: SegmentAttribution
        init_args:
          method: {class_path: KernelShap, init_args: {num_samples: 200}}
          superpixels: {class_path: Slic, init_args: {n_segments: 50}}
          baseline: [0.1, 0.2, 0.3]
      - class_path: SegmentAttribution
        init_args: {method: FeatureAblation}
      - SegmentAttribution
    """
    expected = [
        SegmentAttribution(KernelShap(num_samples=200), Slic(n_segments=50), (0.1, 0.2, 0.3)),
        SegmentAttribution(FeatureAblation()),
        SegmentAttribution(),
    ]
    once = parser.parse_string(written)
    assert parser.instantiate(once).methods == expected
    assert parser.instantiate(parser.parse_string(parser.dump(once))).methods == expected
