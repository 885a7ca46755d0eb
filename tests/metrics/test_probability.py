"""What a network says is read as logits, or as probabilities where it can be nothing else."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_spx.guard import are_probabilities
from lightning_spx.metrics import ROAD, deletion, insertion, irof, mass_accuracy, mege, road
from lightning_spx.metrics.probability import target_probability

SIDE = 8
TARGET = torch.tensor([0, 1, 2, 0])
IMAGES = torch.rand(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
SALIENCY = torch.rand(4, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
SEGMENTS = (torch.arange(SIDE * SIDE).view(1, SIDE, SIDE) // 8).expand(4, -1, -1)
Network = Callable[[Tensor], Tensor]


def logits(images: Tensor) -> Tensor:
    weight = torch.randn(3, 3 * SIDE * SIDE, generator=torch.Generator().manual_seed(2)).to(images)
    return images.flatten(1) @ weight.T / 4


def combined(network: Network) -> Tensor:
    metric = ROAD(fractions=[0.3, 0.6])
    metric.update(network, IMAGES, TARGET, SALIENCY)
    value: Tensor = metric.compute()
    return value


USES: dict[str, Callable[[Network], Tensor]] = {
    "probability": lambda network: target_probability(network, IMAGES, TARGET, 3),
    "deletion": lambda network: deletion(network, IMAGES, TARGET, SALIENCY, 4, batch_size=3),
    "insertion": lambda network: insertion(network, IMAGES, TARGET, SALIENCY, 4, "blur"),
    "irof": lambda network: irof(network, IMAGES, TARGET, SALIENCY, SEGMENTS, (0.5, 0.5, 0.5), batch_size=3),
    "road": lambda network: road(network, IMAGES, TARGET, SALIENCY, batch_size=3),
    "combined road": combined,
}


@pytest.mark.parametrize("use", USES)
def test_probabilities_are_used_as_they_are_and_one_line_says_so(use: str) -> None:
    class Published(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return logits(images).softmax(1)

    with pytest.warns(UserWarning, match="^The outputs of Published are probabilities already.*$") as said:
        found = USES[use](Published())
    assert len(said) == 1
    torch.testing.assert_close(found, USES[use](logits), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_rounded_probabilities_are_probabilities(dtype: torch.dtype) -> None:
    scores = torch.randn(2000, 1000, generator=torch.Generator().manual_seed(0))
    rounded = (3 * scores).softmax(1).to(dtype)
    assert bool(are_probabilities(rounded).all())
    assert bool(are_probabilities(rounded.float()).all())
    with pytest.warns(UserWarning, match="probabilities already"):
        found = target_probability(lambda x: logits(x).softmax(1).to(dtype), IMAGES, TARGET)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, target_probability(logits, IMAGES, TARGET), atol=0.004, rtol=0)


def test_the_mean_of_two_networks_probabilities_is_used_as_it_is() -> None:
    def other(images: Tensor) -> Tensor:
        return logits(images.flip(3))

    with pytest.warns(UserWarning, match="probabilities already"):
        found = target_probability(lambda x: (logits(x).softmax(1) + other(x).softmax(1)) / 2, IMAGES, TARGET)
    expected = (target_probability(logits, IMAGES, TARGET) + target_probability(other, IMAGES, TARGET)) / 2
    torch.testing.assert_close(found, expected)


def silent(network: Network, use: Callable[[Network], Tensor]) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return use(network)


@pytest.mark.parametrize("use", USES)
def test_log_probabilities_are_as_good_as_logits(use: str) -> None:
    found = silent(lambda x: logits(x).log_softmax(1), USES[use])
    torch.testing.assert_close(found, USES[use](logits), atol=1e-6, rtol=1e-5)


def test_sigmoids_of_several_findings_are_used_as_they_are_and_one_line_says_so() -> None:
    def findings(images: Tensor) -> Tensor:
        return logits(images).sigmoid()

    with pytest.warns(UserWarning, match="^The outputs of findings look like probabilities of findings.*$") as said:
        found = USES["probability"](findings)
    assert len(said) == 1
    torch.testing.assert_close(found, findings(IMAGES)[torch.arange(4), TARGET])
    # of three images, logits may be there by chance
    found = silent(findings, partial(target_probability, images=IMAGES[:3], target=TARGET[:3]))
    torch.testing.assert_close(found, findings(IMAGES[:3]).softmax(1)[torch.arange(3), TARGET[:3]])


def test_logits_with_the_sum_1_by_chance_are_no_probabilities_in_any_batch() -> None:
    rows = torch.tensor([[0.25, 0.5, 0.25], [1.0, 0.0, 0.0], [2.0, -1.0, 0.0], [0.0, 0.0, 1.0]])
    numbered = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 2, 2)

    def network(images: Tensor) -> Tensor:
        return rows[images[:, 0, 0, 0].long()]

    for size in (1, 2, 4):
        found = silent(network, partial(target_probability, images=numbered, target=TARGET, batch_size=size))
        torch.testing.assert_close(found, rows.softmax(1)[torch.arange(4), TARGET])


@pytest.mark.parametrize("use", ["deletion", "insertion", "irof"])
def test_all_steps_of_a_removal_are_read_in_the_same_way(use: str) -> None:
    # an image of one color has logits that could be probabilities
    def network(images: Tensor) -> Tensor:
        spread = (images - images.mean((2, 3), keepdim=True)).flatten(1)
        return torch.tensor([0.75, 0.25, 0.0]) + logits(spread.view_as(images))

    def shifted(images: Tensor) -> Tensor:
        return network(images) + 7

    black: dict[str, Callable[[Network], Tensor]] = {
        **USES,
        "insertion": lambda net: insertion(net, IMAGES, TARGET, SALIENCY, 4, "black"),
    }
    assert bool(are_probabilities(network(torch.zeros(1, 3, SIDE, SIDE))).all())
    torch.testing.assert_close(silent(network, black[use]), silent(shifted, black[use]), atol=1e-6, rtol=1e-5)


def test_one_output_is_no_choice_among_classes() -> None:
    for network in (lambda x: logits(x)[:, :1], lambda x: logits(x)[:, :1].sigmoid()):
        with pytest.raises(ValueError, match=r"^Expected the model to return \(N,K\) with 2 classes or more, got .*$"):
            target_probability(network, IMAGES, torch.zeros(4, dtype=torch.int64))


@pytest.mark.parametrize(
    ("target", "advice"),
    [
        (2, r"got int: give torch\.full\(\(len\(images\),\), 2\)"),
        ([0, 1, 2, 0], r"got list: give torch\.as_tensor\(target\)"),
        (TARGET.numpy(), r"got ndarray: give torch\.as_tensor\(target\)"),
        (TARGET.int(), r"got torch\.int32: give target\.long\(\)"),
        (TARGET.float(), r"got torch\.float32: give target\.long\(\)"),
    ],
)
def test_another_target_is_refused_with_what_to_type(target: object, advice: str) -> None:
    given: Any = target
    for measure in (deletion, insertion, road):
        with pytest.raises(TypeError, match=f"Expected `target` to be an int64 tensor, {advice}"):
            measure(logits, IMAGES, given, SALIENCY)
    with pytest.raises(TypeError, match=f"Expected `target` to be an int64 tensor, {advice}"):
        irof(logits, IMAGES, given, SALIENCY, SEGMENTS, (0.5, 0.5, 0.5))


def test_images_colors_and_classes_of_another_type_are_refused_by_name() -> None:
    measures: dict[str, Callable[..., Tensor]] = {"deletion": deletion, "insertion": insertion, "road": road}
    for images, got in (
        (IMAGES.numpy(), "ndarray"),
        ((IMAGES * 255).byte(), r"torch\.uint8: scale them as in training"),
    ):
        for measure in measures.values():
            with pytest.raises(TypeError, match=f"Expected `images` to be .*floating point.*, got {got}"):
                measure(logits, images, TARGET, SALIENCY)
    color: Any = 0.5
    with pytest.raises(ValueError, match=r"'black', 'blur' or a color of 3 numbers, got 0\.5"):
        deletion(logits, IMAGES, TARGET, SALIENCY, 4, color)
    with pytest.raises(ValueError, match=r"`mean` to hold a number for each of 3 channels, got 0\.5"):
        irof(logits, IMAGES, TARGET, SALIENCY, SEGMENTS, color)
    classes: Any = [TARGET, TARGET]
    with pytest.raises(TypeError, match="Expected `preds` to be a tensor of classes, got list"):
        mege(SALIENCY.expand(2, -1, -1, -1), classes, TARGET)
    mask: Any = SALIENCY.numpy() > 0.5
    with pytest.raises(TypeError, match=r"Expected `mask` to be bool, got ndarray: give torch\.as_tensor\(mask\)"):
        mass_accuracy(SALIENCY, mask)
    with pytest.raises(TypeError, match=r"got torch\.uint8: give mask > 0, if 0 is the background"):
        mass_accuracy(SALIENCY, torch.from_numpy(mask).byte())
