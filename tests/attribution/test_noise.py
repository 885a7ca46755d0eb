import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_spx.attribution import (
    Gradient,
    IntegratedGradients,
    SmoothGrad,
    SparsifiedSmoothGrad,
    VarGrad,
    input_gradient,
)
from lightning_spx.attribution.noise import image_generators, noisy_copies
from tests.attribution.cases import Net, images, relative, targets

MATRIX = torch.randn(12, 12, generator=torch.Generator().manual_seed(5))
MATRIX = MATRIX + MATRIX.T


def quadratic(x: Tensor) -> Tensor:
    return ((x.flatten(1) @ MATRIX) * x.flatten(1)).sum(1) / 2


def copies(inputs: Tensor, num_samples: int, stdev: float, seed: int = 0) -> Tensor:
    drawn = [some for _, some in noisy_copies(inputs, num_samples, stdev, seed)]
    return torch.cat(drawn).reshape(len(inputs), num_samples, *inputs.shape[1:])


def test_noise_has_the_standard_deviation_that_was_asked_as_a_fraction_of_the_images_range() -> None:
    inputs = images(2, 32) * torch.tensor([1.0, 5.0])[:, None, None, None]
    noise = copies(inputs, 20, 0.1) - inputs[:, None]
    span = inputs.amax((1, 2, 3)) - inputs.amin((1, 2, 3))
    # 61,440 values each: the standard error of the ratio is 0.3 %, of the mean 0.4 % of the deviation
    assert torch.allclose(noise.std(dim=(1, 2, 3, 4)) / span, torch.tensor(0.1), rtol=0.015)
    assert float((noise.mean(dim=(1, 2, 3, 4)) / span / 0.1).abs().max()) < 0.02


def test_copies_and_images_share_no_noise() -> None:
    inputs = images(2, 32)
    noise = (copies(inputs, 3, 0.1) - inputs[:, None]).reshape(6, -1)
    # 3,072 values: correlations of independent noise have a standard deviation of 0.018
    assert float((torch.corrcoef(noise) - torch.eye(6)).abs().max()) < 0.08


def test_noise_belongs_to_image_and_seed() -> None:
    inputs = images()
    assert torch.equal(copies(inputs, 3, 0.1)[2], copies(inputs[2:3], 3, 0.1)[0])
    assert torch.equal(copies(inputs, 5, 0.1)[:, :3], copies(inputs, 3, 0.1))
    assert not torch.equal(copies(inputs, 3, 0.1, seed=1), copies(inputs, 3, 0.1))
    nearly = inputs.clone()
    nearly[0, 0, 0, 0] += 1e-3
    assert next(image_generators(nearly, 0)).initial_seed() != next(image_generators(inputs, 0)).initial_seed()
    with torch.device("meta"):
        assert next(image_generators(inputs, 0)).initial_seed() == next(image_generators(inputs, 0)).initial_seed()
    strided = inputs.to(memory_format=torch.channels_last)
    assert next(image_generators(strided, 0)).initial_seed() == next(image_generators(inputs, 0)).initial_seed()


@pytest.mark.parametrize("kind", [SmoothGrad, VarGrad, SparsifiedSmoothGrad])
def test_seeds_give_different_results_and_equal_seeds_equal_ones(
    kind: type[SmoothGrad | VarGrad | SparsifiedSmoothGrad],
) -> None:
    result = kind(num_samples=3, seed=0).attribute(Net(), images(), targets())
    assert torch.equal(kind(num_samples=3, seed=0).attribute(Net(), images(), targets()), result)
    assert relative(kind(num_samples=3, seed=1).attribute(Net(), images(), targets()), result) > 0.01


def test_without_noise_smoothgrad_is_its_base() -> None:
    for base in (Gradient(), IntegratedGradients(3)):
        result = SmoothGrad(base, num_samples=3, stdev=0.0).attribute(Net(), images(), targets())
        assert relative(result, base.attribute(Net(), images(), targets())) < 1e-6


def test_smoothgrad_is_the_mean_over_the_copies() -> None:
    drawn = copies(images(), 6, 0.2, seed=3)
    expected = torch.stack([input_gradient(Net(), drawn[:, draw], targets()) for draw in range(6)]).mean(dim=0)
    result = SmoothGrad(num_samples=6, stdev=0.2, seed=3).attribute(Net(), images(), targets())
    assert relative(result, expected) < 1e-5


def test_smoothgrad_of_a_quadratic_model_tends_to_its_gradient() -> None:
    inputs = images(1, 2)
    expected = (inputs.flatten(1) @ MATRIX).reshape(inputs.shape)
    span = inputs.max() - inputs.min()
    result = SmoothGrad(num_samples=4000, stdev=0.2).attribute(quadratic, inputs, None)
    # each value has the standard error |row of A| * 0.2 * range / sqrt(4000)
    errors = (0.2 * span * MATRIX.norm(dim=1) / 4000**0.5).reshape(inputs.shape[1:])
    assert float(((result - expected)[0] / errors).abs().max()) < 4


def test_vargrad_is_the_population_variance_over_the_copies() -> None:
    drawn = copies(images(), 6, 0.15)
    gradients = torch.stack([input_gradient(Net(), drawn[:, draw], targets()) for draw in range(6)])
    result = VarGrad(num_samples=6).attribute(Net(), images(), targets())
    assert relative(result, gradients.var(dim=0, correction=0)) < 1e-5


def test_vargrad_of_a_linear_model_is_zero() -> None:
    weights = torch.randn(12, 2, generator=torch.Generator().manual_seed(2))
    result = VarGrad().attribute(lambda x: x.flatten(1) @ weights, images(3, 2), torch.tensor([0, 1, 0]))
    assert not result.any()


def test_vargrad_survives_a_mean_far_above_the_deviation() -> None:
    result = VarGrad(num_samples=20).attribute(lambda x: (1000 * x + x**2 / 2).sum((1, 2, 3)), images(1), None)
    drawn = copies(images(1), 20, 0.15)[0].double()
    assert relative(result[0].double(), drawn.var(dim=0, correction=0)) < 1e-2


def sparsified(gradient: np.ndarray, tau: float, flatten: float) -> np.ndarray:
    values = [abs(float(value)) for value in gradient.ravel()]
    ordered = sorted(values, reverse=True)
    divisor = ordered[round(flatten * len(values)) - 1]
    smallest = ordered[round(tau * len(values)) - 1]
    kept = [min(1.0, value / divisor) if value >= smallest else 0.0 for value in values]
    return np.array(kept).reshape(gradient.shape)


def test_sparsified_smoothgrad_equals_a_slow_loop() -> None:
    inputs, target = images(2), targets(2)
    drawn = copies(inputs, 5, 0.1)
    result = SparsifiedSmoothGrad(num_samples=5).attribute(Net(), inputs, target)
    for image in range(2):
        maps = [
            sparsified(input_gradient(Net(), copy[None], target[image : image + 1])[0].numpy(), 0.1, 0.01)
            for copy in drawn[image]
        ]
        assert relative(result[image], torch.from_numpy(np.mean(maps, axis=0)).float()) < 1e-5


@pytest.mark.parametrize(
    ("gradient", "expected"),
    [
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, -8.0], [0, 0, 0, 0, 5 / 7, 6 / 7, 1, 1]),
        ([1.0] * 8, [1.0] * 8),
        ([0.0, 0.0, 0.0, 5.0, 0.0, 0.0, 0.0, 0.0], [0, 0, 0, 1, 0, 0, 0, 0]),
        ([0.0] * 8, [0.0] * 8),
        ([4.0, 4.0, 4.0, 4.0, 4.0, 1.0, 1.0, 1.0], [1, 1, 1, 1, 1, 0, 0, 0]),
    ],
    ids=["distinct", "all tied", "fewer than capped", "zero", "tied at the border"],
)
def test_sparsified_smoothgrad_by_hand(gradient: list[float], expected: list[float]) -> None:
    method = SparsifiedSmoothGrad(num_samples=2, tau=0.5, flatten=0.25)
    weights = torch.tensor(gradient)
    result = method.attribute(lambda x: x.flatten(1) @ weights, torch.rand(1, 2, 2, 2), None)
    assert result.flatten().tolist() == pytest.approx(expected)


def test_a_constant_image_has_no_noise() -> None:
    gray = torch.full((1, 3, 4, 4), 0.5)
    assert not VarGrad(num_samples=3).attribute(lambda x: (x**2).sum((1, 2, 3)), gray, None).any()


def test_all_chunks_are_evaluated_alike() -> None:
    """So that copies without noise have no variance at all, in chunks of four, four and two."""
    result = VarGrad(Gradient(chunk_size=4), num_samples=10, stdev=0.0).attribute(Net(), images(), targets())
    assert float(result.max()) == 0.0


@pytest.mark.parametrize("kind", [SmoothGrad, VarGrad, SparsifiedSmoothGrad])
def test_settings_are_checked(kind: type[SmoothGrad | VarGrad | SparsifiedSmoothGrad]) -> None:
    with pytest.raises(ValueError, match="Expected `num_samples` to be positive, got 0"):
        kind(num_samples=0)
    for wrong in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"Expected `stdev` to be finite and non-negative, got {wrong}"):
            kind(stdev=wrong)


def test_settings_of_single_methods_are_checked() -> None:
    with pytest.raises(ValueError, match="Expected `num_samples` to be at least 2 for a variance, got 1"):
        VarGrad(num_samples=1)
    for tau in (0.0, 1.1):
        with pytest.raises(ValueError, match=rf"Expected `tau` to be in \(0, 1\], got {tau}"):
            SparsifiedSmoothGrad(tau=tau)
    for flatten in (0.0, 0.2):
        with pytest.raises(ValueError, match=rf"Expected `flatten` to be in \(0, tau\] with tau = 0.1, got {flatten}"):
            SparsifiedSmoothGrad(flatten=flatten)


def test_antithetic_pairs_cancel_what_is_linear_in_the_noise() -> None:
    def squares(inputs: Tensor) -> Tensor:
        return (inputs**2).sum((1, 2, 3))

    inputs = images().double()
    method = SmoothGrad(num_samples=2, antithetic=True)
    assert relative(method.attribute(squares, inputs, None), 2 * inputs) < 1e-6
    assert relative(SmoothGrad(num_samples=2).attribute(squares, inputs, None), 2 * inputs) > 0.1


def test_antithetic_draws_are_the_plain_ones_and_their_mirror_images() -> None:
    inputs = images(2)
    plain = list(noisy_copies(inputs, 11, 0.2, seed=5))
    pairs = list(noisy_copies(inputs, 22, 0.2, seed=5, antithetic=True))
    assert [image for image, _ in pairs] == [image for image, _ in plain] == [0, 0, 1, 1]
    for (image, copies_of), (_, both) in zip(plain, pairs, strict=True):
        assert torch.equal(copies_of, both[::2])
        torch.testing.assert_close(both[::2] + both[1::2], 2 * inputs[image].expand_as(copies_of))


def test_antithetic_pairs_need_an_even_number() -> None:
    with pytest.raises(ValueError, match="`num_samples` to be even for antithetic pairs, got 5"):
        SmoothGrad(num_samples=5, antithetic=True)
