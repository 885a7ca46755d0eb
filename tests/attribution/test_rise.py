import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.transform import resize
from torch import Tensor, nn

from lightning_spx.attribution import RISE, is_constant
from lightning_spx.attribution.noise import image_generators
from lightning_spx.attribution.rise import Score, random_masks
from lightning_spx.models.image_model import ImageModel
from tests.attribution.cases import Net, images, relative, small_transformer, targets

# scikit-image has no types
enlarged: Callable[..., NDArray[np.float32]] = resize
SMALL = RISE(num_masks=11, grid_size=3, keep_probability=0.4)
# the paper's estimate
PUBLISHED = replace(SMALL, control_variate=False)


def masks_of(image: Tensor, num_masks: int, grid_size: int, keep_probability: float, seed: int = 0) -> Tensor:
    generator = next(image_generators(image[None], seed))
    return torch.cat(list(random_masks(image, generator, num_masks, grid_size, keep_probability)))


@pytest.mark.parametrize(("size", "grid_size"), [((10, 10), 3), ((9, 14), 4), ((8, 6), 1), ((3, 4), 7)])
def test_masks_are_those_of_the_authors_program(size: tuple[int, int], grid_size: int) -> None:
    """Which scales a grid up by scikit-image and cuts the image's part out of it."""
    image = torch.zeros(1, *size)
    result = masks_of(image, 10, grid_size, 0.4)
    generator = next(image_generators(image[None], 0))
    cells = [math.ceil(length / grid_size) for length in size]
    for start in (0, 8):
        grids = (torch.rand(8, grid_size, grid_size, generator=generator) < 0.4).float().numpy()
        down, right = (torch.randint(cell, (8, 1), generator=generator).flatten().tolist() for cell in cells)
        for number in range(min(8, 10 - start)):
            whole = [(grid_size + 1) * cell for cell in cells]
            large = enlarged(grids[number], whole, order=1, mode="reflect", anti_aliasing=False)
            expected = large[down[number] : down[number] + size[0], right[number] : right[number] + size[1]]
            np.testing.assert_allclose(result[start + number, 0].numpy(), expected, atol=1e-5)


def test_masks_show_the_same_share_of_every_pixel() -> None:
    masks = masks_of(torch.zeros(1, 14, 14), 4000, 7, 0.3)
    # the standard error of a pixel's mean is at most sqrt(0.3 * 0.7 / 4000) = 0.007
    assert float((masks.mean((0, 1)) - 0.3).abs().max()) < 0.03
    assert masks.amin() >= 0
    assert masks.amax() <= 1
    # masks differ, and are not merely shifted
    assert len({tuple(mask.flatten().tolist()) for mask in masks[:100]}) == 100


def softmax_of(output: Tensor, target: int) -> float:
    return float(output.softmax(1)[0, target])


def sigmoid_of(output: Tensor, target: int) -> float:
    return float(output.sigmoid()[0, target])


@pytest.mark.parametrize(("score", "value"), [("probability", softmax_of), ("sigmoid", sigmoid_of)])
def test_equals_the_published_sum_in_a_slow_loop(score: Score, value: Callable[[Tensor, int], float]) -> None:
    network, inputs, target = Net().eval(), images(3), targets(3)
    result = replace(PUBLISHED, score=score, chunk_size=4).attribute(network, inputs, target)
    for position, image in enumerate(inputs):
        total = torch.zeros(10, 10, dtype=torch.float64)
        for mask in masks_of(image, 11, 3, 0.4):
            with torch.no_grad():
                total += value(network(mask * image[None]), int(target[position])) * mask[0]
        assert relative(result[position].sum(0), total / (11 * 0.4)) < 1e-5
        assert torch.equal(result[position, 0], result[position, 2])


def test_the_random_mean_of_the_masks_is_replaced_by_its_expectation() -> None:
    network, inputs, target = Net().eval(), images(3), targets(3)
    result = replace(SMALL, chunk_size=4).attribute(network, inputs, target)
    published = PUBLISHED.attribute(network, inputs, target)
    for position, image in enumerate(inputs):
        masks = masks_of(image, 11, 3, 0.4)
        with torch.no_grad():
            mean = network(masks * image).softmax(1)[:, target[position]].mean()
        expected = published[position].sum(0) - mean * (masks.mean((0, 1)) / 0.4 - 1)
        assert relative(result[position].sum(0), expected.clamp(min=0)) < 1e-5


def test_both_estimates_have_the_same_limit_and_one_of_them_hardly_depends_on_the_masks() -> None:
    inputs = images(1, 12)

    def unsure(x: Tensor) -> Tensor:
        # a probability of 0.27 that a corner moves by up to 0.02
        return x[:, :, :4, :4].mean((1, 2, 3)) / 5 - 1

    many = RISE(num_masks=6000, grid_size=3, chunk_size=2000)
    limit = many.attribute(unsure, inputs, None)
    assert relative(replace(many, control_variate=False, seed=1).attribute(unsure, inputs, None), limit) < 0.05

    def distance(method: RISE) -> float:
        first, second = (replace(method, num_masks=100, seed=seed).attribute(unsure, inputs, None) for seed in (0, 1))
        return float((first - second).norm())

    assert distance(replace(many, control_variate=False)) > 10 * distance(many)


def test_equal_scores_draw_no_mask() -> None:
    result = SMALL.attribute(lambda x: 0 * x.sum((1, 2, 3)) + 0.3, images(2), None)
    assert is_constant(result.sum(1)).all()
    signed = replace(SMALL, score="logit").attribute(lambda x: 0 * x.sum((1, 2, 3)) + 0.3, images(2), None)
    assert not signed.any()
    assert not is_constant(PUBLISHED.attribute(lambda x: 0 * x.sum((1, 2, 3)) + 0.3, images(2), None).sum(1)).any()


def test_the_score_of_a_logit_is_taken_relative_to_its_mean() -> None:
    network, inputs, target = Net().eval(), images(1), targets(1)
    method = replace(SMALL, score="logit")
    masks = masks_of(inputs[0], 11, 3, 0.4)
    with torch.no_grad():
        logits = network(masks * inputs)[:, 0].double()
    expected = ((logits - logits.mean())[:, None, None] * masks[:, 0]).sum(0) / (11 * 0.4)
    result = method.attribute(network, inputs, target)
    assert relative(result[0].sum(0), expected) < 1e-5
    assert bool((result < 0).any())
    assert not method.non_negative
    moved = method.attribute(lambda x: network(x) - 50, inputs, target)
    assert relative(moved, result) < 1e-3


def test_the_score_of_one_output_is_its_sigmoid() -> None:
    network, inputs = Net(num_classes=1).eval(), images(2)
    method = SMALL
    scalar = method.attribute(lambda x: network(x)[:, 0], inputs, None)
    assert torch.equal(method.attribute(network, inputs, 0), scalar)
    assert torch.equal(replace(SMALL, score="sigmoid").attribute(network, inputs, 0), scalar)
    # a softmax over one class would be 1 for every mask, and so would the map
    assert relative(scalar[0, 0] * 3, torch.ones(10, 10)) > 0.1


def test_a_model_that_has_findings_is_scored_by_their_own_probabilities() -> None:
    network, inputs, target = Net().eval(), images(2), targets(2)
    findings = ImageModel(network, mean=[0.0] * 3, std=[1.0] * 3, head="multi_label")
    expected = replace(SMALL, score="sigmoid").attribute(network, inputs, target)
    assert relative(SMALL.attribute(findings, inputs, target), expected) < 1e-6
    assert relative(SMALL.attribute(nn.Sequential(findings), inputs, target), expected) < 1e-6
    assert relative(SMALL.attribute(network, inputs, target), expected) > 0.1


def test_a_number_without_classes_has_no_probability() -> None:
    model = ImageModel(Net(1), mean=[0.0] * 3, std=[1.0] * 3, head="scalar")
    with pytest.raises(
        ValueError, match=r"Expected `score` to be 'logit' for Net, whose `head` is scalar .* got 'prob"
    ):
        SMALL.attribute(model, images(2), None)
    assert replace(SMALL, score="logit").attribute(model, images(2), None).any()


def test_images_of_one_channel_and_transformers() -> None:
    gray = images(2)[:, :1]
    network = nn.Sequential(nn.Conv2d(1, 3, 1), Net()).eval()
    assert replace(SMALL, chunk_size=2).attribute(network, gray, 1).shape == gray.shape
    transformer = small_transformer()
    inputs = images(2, 32)
    with torch.no_grad():
        scores = transformer(masks_of(inputs[0], 11, 3, 0.4) * inputs[0]).softmax(1)[:, 2]
    expected = (scores[:, None, None] * masks_of(inputs[0], 11, 3, 0.4)[:, 0]).sum(0) / (11 * 0.4)
    assert scores.std() > 1e-3
    assert relative(PUBLISHED.attribute(transformer, inputs, 2)[0].sum(0), expected) < 1e-5


def test_what_a_mask_hides_is_the_baseline() -> None:
    image = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(2))
    seen: list[Tensor] = []

    def brightness(points: Tensor) -> Tensor:
        seen.append(points)
        return points.sum((1, 2, 3)) - 40

    replace(SMALL, baseline=(0.1, 0.5, 0.9), chunk_size=11).attribute(brightness, image, None)
    masks = masks_of(image[0], 11, 3, 0.4)
    expected = masks * image + (1 - masks) * torch.tensor([0.1, 0.5, 0.9])[:, None, None]
    assert relative(seen[0], expected) < 1e-6


def test_the_quadrant_that_decides_stands_out() -> None:
    image = torch.full((1, 3, 16, 16), 0.5)
    result = RISE(num_masks=300).attribute(lambda x: 40 * x[:, :, :8, :8].mean((1, 2, 3)) - 10, image, None).sum(1)[0]
    assert result.argmax() % 16 < 8
    assert result.argmax() // 16 < 8
    assert result[:8, :8].mean() > result[:8, 8:].mean() + 0.05
    assert result[:8, :8].mean() > result[8:].mean() + 0.05


def test_masks_depend_on_image_and_seed_alone_and_fewer_are_a_prefix() -> None:
    first, second = images(2)
    assert not torch.equal(masks_of(first, 5, 3, 0.5), masks_of(second, 5, 3, 0.5))
    assert not torch.equal(masks_of(first, 5, 3, 0.5), masks_of(first, 5, 3, 0.5, seed=1))
    assert torch.equal(masks_of(first, 20, 3, 0.5)[:5], masks_of(first, 5, 3, 0.5))
    inputs, target = images(), targets()
    whole = SMALL.attribute(Net(), inputs, target)
    for chunk_size in (1, 3, 100):
        result = replace(SMALL, chunk_size=chunk_size).attribute(Net(), inputs.flip(0), target.flip(0))
        assert relative(result.flip(0), whole) < 1e-5


def test_probabilities_are_no_logits() -> None:
    network = Net().eval()
    with (
        pytest.warns(UserWarning, match="are probabilities"),
        pytest.raises(ValueError, match=r"Expected <lambda> to return logits, got probabilities, .* without its soft"),
    ):
        SMALL.attribute(lambda x: network(x).softmax(1), images(), targets())


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="Expected `num_masks` to be positive, got 0"):
        RISE(num_masks=0)
    with pytest.raises(TypeError, match=r"Expected `grid_size` to be an integer, got 2\.5"):
        RISE(grid_size=cast(Any, 2.5))
    for wrong in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match=rf"Expected `keep_probability` to be in \(0, 1\), got {wrong}"):
            RISE(keep_probability=wrong)
    with pytest.raises(ValueError, match="Expected `score` to be 'probability', 'sigmoid' or 'logit', got 'softmax'"):
        RISE(score=cast(Any, "softmax"))
    with pytest.raises(ValueError, match=r"Expected `baseline` to broadcast"):
        RISE(baseline=(0.1, 0.2)).attribute(Net(), images(), targets())
