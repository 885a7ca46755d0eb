from typing import Any, cast

import captum.attr
import pytest
import torch
from torch import Tensor

from lightning_spx.attribution import (
    ExpectedGradients,
    FromCaptum,
    IntegratedGradients,
    SmoothGrad,
    expected_gradients,
    input_gradient,
)
from lightning_spx.attribution.noise import image_generators
from tests.attribution.cases import Net, images, relative, small_transformer, targets

REFERENCES = torch.rand(5, 3, 10, 10, generator=torch.Generator().manual_seed(6))


def draws_of(image: Tensor, num_samples: int, num_references: int, seed: int) -> list[tuple[int, float]]:
    """All references in random order, then all in another one, each with a place on its path."""
    generator, found = next(image_generators(image[None], seed)), list[tuple[int, float]]()
    while len(found) < num_samples:
        order = torch.randperm(num_references, generator=generator).tolist()
        found += zip(order, torch.rand(num_references, generator=generator).tolist(), strict=True)
    return found[:num_samples]


@pytest.mark.parametrize("num_samples", [3, 5, 12])
def test_equals_a_slow_loop(num_samples: int) -> None:
    network, inputs, target = Net(), images(3), targets(3)
    method = ExpectedGradients(num_samples, seed=2, chunk_size=4).with_references(REFERENCES)
    result = method.attribute(network, inputs, target)
    for position, image in enumerate(inputs):
        expected = torch.zeros(3, 10, 10)
        for which, place in draws_of(image, num_samples, 5, seed=2):
            distance = image - REFERENCES[which]
            point = REFERENCES[which] + place * distance
            expected += distance * input_gradient(network, point[None], int(target[position]))[0] / num_samples
        assert relative(result[position], expected) < 1e-5


def test_a_linear_model_is_explained_exactly_by_equally_many_draws_of_each_reference() -> None:
    weights = torch.randn(300, generator=torch.Generator().manual_seed(1))
    inputs = images(2)
    expected = (inputs - REFERENCES.mean(0)) * weights.reshape(3, 10, 10)
    result = expected_gradients(lambda x: x.flatten(1) @ weights, inputs, None, REFERENCES, num_samples=10)
    assert relative(result, expected) < 1e-5
    uneven = expected_gradients(lambda x: x.flatten(1) @ weights, inputs, None, REFERENCES, num_samples=7)
    assert relative(uneven, expected) > 0.01


def test_a_quadratic_model_is_explained_up_to_the_error_of_the_draws() -> None:
    def squares(x: Tensor) -> Tensor:
        return (x**2).sum((1, 2, 3))

    inputs = images(1)
    # each draw's sum is (x - r) (2 r + 2 a (x - r)), whose mean over a is x^2 - r^2
    expected = float(squares(inputs) - squares(REFERENCES).mean())
    result = expected_gradients(squares, inputs, None, REFERENCES, num_samples=2000)
    spread = float((2 * (inputs - REFERENCES).square().sum((1, 2, 3))).mean()) / 12**0.5
    assert abs(float(result.sum()) - expected) < 4 * spread / 2000**0.5
    # and each value, by the same token
    values = (inputs**2 - (REFERENCES**2).mean(0))[0]
    errors = (2 * (inputs - REFERENCES).square()).square().mean(0).sqrt() / (12 * 2000) ** 0.5
    assert float(((result[0] - values) / errors).abs().max()) < 5


def test_one_reference_is_integrated_gradients_at_random_nodes() -> None:
    black = torch.zeros(1, 3, 10, 10)
    result = ExpectedGradients(num_samples=1000).with_references(black).attribute(Net(), images(1), targets(1))
    assert relative(result, IntegratedGradients(50).attribute(Net(), images(1), targets(1))) < 0.1


def test_captums_gradient_shap_without_noise_tends_to_the_same() -> None:
    inputs, target = images(1), targets(1)
    arguments = {"baselines": REFERENCES, "n_samples": 1000, "stdevs": 0.0}
    theirs = FromCaptum(captum.attr.GradientShap, arguments, seed=0).attribute(Net(), inputs, target)
    result = expected_gradients(Net(), inputs, target, REFERENCES, num_samples=1000)
    assert float((result - theirs).norm() / theirs.norm()) < 0.1


def test_draws_depend_on_image_and_seed_alone_and_fewer_are_a_prefix() -> None:
    first, second = images(2)
    assert draws_of(first, 8, 5, 0) != draws_of(second, 8, 5, 0)
    inputs, target = images(), targets()
    method = ExpectedGradients(num_samples=7).with_references(REFERENCES)
    whole = method.attribute(Net(), inputs, target)
    for chunk_size in (1, 5, 100):
        again = ExpectedGradients(num_samples=7, chunk_size=chunk_size).with_references(REFERENCES)
        assert relative(again.attribute(Net(), inputs.flip(0), target.flip(0)).flip(0), whole) < 1e-5
    other = ExpectedGradients(num_samples=7, seed=1).with_references(REFERENCES)
    assert relative(other.attribute(Net(), inputs, target), whole) > 0.01


def test_smoothgrad_of_it_is_the_mean_over_noisy_copies() -> None:
    method = ExpectedGradients(num_samples=3).with_references(REFERENCES)
    still = SmoothGrad(method, num_samples=3, stdev=0.0).attribute(Net(), images(), targets())
    assert relative(still, method.attribute(Net(), images(), targets())) < 1e-5


def test_images_of_one_channel() -> None:
    gray = images(2)[:, :1]
    method = ExpectedGradients(num_samples=5).with_references(REFERENCES[:, :1])
    result = method.attribute(lambda x: x.sum((1, 2, 3)), gray, None)
    assert relative(result, gray - REFERENCES[:, :1].mean(0)) < 1e-5


def test_plain_colors_are_images_too() -> None:
    colors = REFERENCES[..., :1, :1]
    result, expected = (
        expected_gradients(Net(), images(2), targets(2), references, num_samples=4)
        for references in (colors, colors.expand(-1, -1, 10, 10))
    )
    assert torch.equal(result, expected)


def test_a_transformer() -> None:
    network, inputs = small_transformer(), images(1, 32)
    references = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(6))
    result = expected_gradients(network, inputs, 2, references, num_samples=400)
    with torch.no_grad():
        expected = float(network(inputs)[0, 2] - network(references)[:, 2].mean())
    assert abs(float(result.sum()) - expected) < 0.1 * abs(expected)


def test_references_are_no_setting() -> None:
    method = ExpectedGradients()
    given = method.with_references(REFERENCES)
    assert given == method
    assert hash(given) == hash(method)
    assert repr(given) == repr(method)
    assert method.references is None


def test_references_are_checked() -> None:
    with pytest.raises(ValueError, match="Expected ExpectedGradients to have `references`, got none: give `with_ref"):
        ExpectedGradients().attribute(Net(), images(), targets())
    for wrong in (REFERENCES[:, :1], REFERENCES[..., :9], REFERENCES[0], REFERENCES[:0]):
        with pytest.raises(ValueError, match=r"Expected `references` of shape \(B, 3, 10, 10\), .* got"):
            ExpectedGradients().with_references(wrong).attribute(Net(), images(), targets())
    with pytest.raises(TypeError, match=r"Expected `references` to be a floating point tensor, got torch.uint8"):
        ExpectedGradients().with_references(REFERENCES.byte()).attribute(Net(), images(), targets())
    with pytest.raises(ValueError, match="Expected `references` to be finite"):
        ExpectedGradients().with_references(REFERENCES / 0).attribute(Net(), images(), targets())
    with pytest.raises(ValueError, match="Expected `num_references` to be positive, got 0"):
        ExpectedGradients(num_references=0)
    with pytest.raises(TypeError, match=r"Expected `num_samples` to be an integer, got 2\.5"):
        ExpectedGradients(num_samples=cast(Any, 2.5))
