from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from lightning_spx.attribution import Gradient, MoreauGrad
from tests.attribution.cases import Net, images, targets

# positive definite, so that the envelope exists for every smoothing
ROOT = torch.randn(12, 12, generator=torch.Generator().manual_seed(5))
MATRIX = ROOT @ ROOT.T / 12


def quadratic(x: Tensor) -> Tensor:
    return ((x.flatten(1) @ MATRIX) * x.flatten(1)).sum(1) / 2


def exact(inputs: Tensor, smoothing: float) -> Tensor:
    """delta minimizes (x + d)'A(x + d)/2 + d'd/(2 l), so -d/l = (I + l A)^-1 A x."""
    system = torch.eye(12) + smoothing * MATRIX
    solved: Tensor = torch.linalg.solve(system, inputs.flatten(1) @ MATRIX, left=False)
    return solved.view_as(inputs)


def draw(number: int = 3) -> Tensor:
    return torch.rand(number, 3, 2, 2, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("smoothing", [0.1, 1.0])
def test_a_quadratic_function_has_the_known_envelope(smoothing: float) -> None:
    method = MoreauGrad(smoothing=smoothing, num_steps=400, average_last=1, stdev=0.0, num_samples=1, step_size=0.3)
    found = method.attribute(quadratic, draw(), None)
    torch.testing.assert_close(found, exact(draw(), smoothing), atol=2e-5, rtol=0)


def test_noise_has_mean_zero_and_so_leaves_the_envelope_of_a_quadratic_function() -> None:
    method = MoreauGrad(num_steps=400, average_last=300, num_samples=8, stdev=0.1)
    found = method.attribute(quadratic, draw(), None)
    torch.testing.assert_close(found, exact(draw(), 1.0), atol=0.01, rtol=0)
    other = MoreauGrad(num_steps=400, average_last=300, num_samples=8, stdev=0.1, seed=1)
    assert not torch.equal(found, other.attribute(quadratic, draw(), None))


def test_little_smoothing_gives_the_gradient() -> None:
    inputs, target = images(2), targets(2)
    method = MoreauGrad(smoothing=1e-6, stdev=0.0, num_samples=1, num_steps=60)
    gradient = Gradient().attribute(Net(), inputs, target)
    torch.testing.assert_close(method.attribute(Net(), inputs, target), gradient, atol=1e-4, rtol=1e-3)


def test_sparse_is_the_soft_threshold_of_a_linear_functions_gradient() -> None:
    weights = torch.tensor([3.0, -0.5, 1.5, 0.2])
    method = MoreauGrad(sparsity=1.0, stdev=0.0, num_samples=1, num_steps=60)
    found = method.attribute(lambda x: (x.flatten(1) * weights).sum(1), torch.zeros(1, 1, 2, 2), None)
    # minimize w d + d^2/2 + |d|: d = -(|w| - 1)+ sign(w)
    torch.testing.assert_close(found.flatten(), torch.tensor([2.0, 0.0, 0.5, 0.0]), atol=1e-5, rtol=0)


def test_grouped_keeps_or_drops_whole_segments() -> None:
    weights = torch.tensor([3.0, -4.0, 0.6, 0.8])
    segments = torch.tensor([[[0, 0], [1, 1]]])
    method = MoreauGrad(sparsity=1.0, stdev=0.0, num_samples=1, num_steps=60)
    inputs = torch.zeros(1, 1, 2, 2)
    found = method.attribute(lambda x: (x.flatten(1) * weights).sum(1), inputs, None, segments)
    # a segment of norm 5 shrinks by root 2, one of norm 1 is below that
    shrunk = (1 - 2**0.5 / 5) * weights[:2]
    torch.testing.assert_close(found.flatten(), torch.cat([shrunk, torch.zeros(2)]), atol=1e-5, rtol=0)


def test_segments_change_nothing_without_sparsity() -> None:
    segments = torch.zeros(3, 2, 2, dtype=torch.int64)
    method = MoreauGrad(num_steps=5)
    assert torch.equal(method.attribute(quadratic, draw(), None, segments), method.attribute(quadratic, draw(), None))


def test_one_gradient_for_each_step_and_sample() -> None:
    count = [0]

    def model(x: Tensor) -> Tensor:
        count[0] += len(x)
        return quadratic(x)

    MoreauGrad(num_steps=7, num_samples=3).attribute(model, draw(), None)
    # and a look at one image by itself
    assert count == [3 * 7 * 3 + 1]


@pytest.mark.parametrize(
    ("setting", "build"),
    [
        ("smoothing", lambda: MoreauGrad(smoothing=0.0)),
        ("sparsity", lambda: MoreauGrad(sparsity=-1.0)),
        ("num_steps", lambda: MoreauGrad(num_steps=0)),
        ("num_samples", lambda: MoreauGrad(num_samples=0)),
        ("step_size", lambda: MoreauGrad(step_size=1.5)),
        ("average_last", lambda: MoreauGrad(average_last=30)),
        ("stdev", lambda: MoreauGrad(stdev=float("nan"))),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting: str, build: Callable[[], MoreauGrad]) -> None:
    with pytest.raises(ValueError, match=f"`{setting}`"):
        build()


def test_segments_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="`segments` of shape"):
        MoreauGrad().attribute(quadratic, draw(), None, torch.zeros(3, 4, 4, dtype=torch.int64))
