from itertools import pairwise
from statistics import mean, stdev

import pytest
import torch
from torch import Tensor

from lightning_spx.metrics import Deletion, Insertion, Substrate, deletion, insertion
from lightning_spx.metrics.removal import substrate_of
from tests.metrics.removal_cases import HEIGHT, PIXELS, WIDTH, TinyNet, draw, probability


def pixel_by_pixel(image: Tensor, other: Tensor, saliency: Tensor, target: int) -> float:
    """Replace one pixel after the other, the most salient first, and add trapezoids."""
    net, changed = TinyNet(), image.clone()
    values = [probability(net, changed, target)]
    for place in sorted(range(PIXELS), key=lambda place: -float(saliency.flatten()[place])):
        changed[:, place // WIDTH, place % WIDTH] = other[:, place // WIDTH, place % WIDTH]
        values.append(probability(net, changed, target))
    return sum((a + b) / 2 / PIXELS for a, b in pairwise(values))


@pytest.mark.parametrize("substrate", ["black", "blur", (0.4, 0.5, 0.6)])
def test_deletion_and_insertion_equal_a_loop_over_pixels(substrate: Substrate) -> None:
    images, target, saliency = draw()
    base = substrate_of(images, substrate)
    gone = deletion(TinyNet(), images, target, saliency, PIXELS, substrate)
    come = insertion(TinyNet(), images, target, saliency, PIXELS, substrate)
    for n in range(len(images)):
        there = pixel_by_pixel(images[n], base[n], saliency[n], int(target[n]))
        back = pixel_by_pixel(base[n], images[n], saliency[n], int(target[n]))
        assert gone[n].item() == pytest.approx(there, abs=1e-6)
        assert come[n].item() == pytest.approx(back, abs=1e-6)


def test_whole_segments_go_at_once_and_their_sizes_are_the_steps_widths() -> None:
    images, target, _ = draw(1)
    segments = torch.tensor([[[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 2, 2], [1, 1, 1, 2, 2]]])
    saliency = torch.tensor([0.2, 0.9, 0.5])[segments]
    net, changed, widths = TinyNet(), images[0].clone(), {1: 6 / 20, 2: 4 / 20, 0: 10 / 20}
    area, before = 0.0, probability(net, changed, int(target))
    for segment, width in widths.items():
        changed = changed * (segments[0] != segment)
        after = probability(net, changed, int(target))
        area, before = area + width * (before + after) / 2, after
    assert deletion(net, images, target, saliency, 32, segments=segments).item() == pytest.approx(area, abs=1e-6)


def test_with_one_substrate_random_maps_have_the_same_deletion_as_insertion() -> None:
    images, target, _ = draw(20)
    differences = []
    for seed in range(50):
        saliency = torch.rand(20, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(100 + seed))
        gone, come = (f(TinyNet(), images, target, saliency, PIXELS, "blur") for f in (deletion, insertion))
        differences.append((gone - come).mean().item())
    assert abs(mean(differences)) < 1.96 * stdev(differences) / 50**0.5
    # and the interval is narrow enough to say something
    assert stdev(differences) / 50**0.5 < 0.005


def test_more_steps_than_pixels_go_pixel_by_pixel() -> None:
    images, target, saliency = draw()
    torch.testing.assert_close(
        deletion(TinyNet(), images, target, saliency, 10_000), deletion(TinyNet(), images, target, saliency, PIXELS)
    )


def test_a_map_with_nan_has_no_value_and_a_constant_one_has() -> None:
    images, target, saliency = draw()
    saliency[2, 0, 0] = torch.nan
    saliency[3] = 0.5
    for metric in (Deletion(num_steps=4), Insertion(num_steps=4)):
        metric.update(TinyNet(), images, target, saliency)
        assert metric.num_dropped == 1
        assert 0 < metric.compute() < 1


@pytest.mark.parametrize("kind", [Deletion, Insertion])
def test_the_metric_is_the_mean_whatever_the_batches(kind: type[Deletion | Insertion]) -> None:
    images, target, saliency = draw()
    net = TinyNet().train()
    function = deletion if kind is Deletion else insertion
    alone = [slice(n, n + 1) for n in range(7)]
    expected = torch.cat([function(net, images[n], target[n], saliency[n], 5, "blur") for n in alone])
    assert net.training
    assert net.dropout.training
    torch.testing.assert_close(function(net, images, target, saliency, 5, "blur", batch_size=2), expected)
    metric = kind(num_steps=5, substrate="blur", batch_size=3)
    for here in (slice(4, 7), slice(0, 4)):
        metric.update(net, images[here], target[here], saliency[here])
    torch.testing.assert_close(metric.compute(), expected.mean())
    metric.reset()
    metric.update(net, images[:0], target[:0], saliency[:0])
    assert metric.num_images == 0


def test_bad_input_is_named() -> None:
    images, target, saliency = draw()
    for arguments, expected in (
        ((TinyNet(), images, target, saliency[:, :2]), "`saliency` of shape"),
        ((TinyNet(), images, target + 3, saliency), "`target` to be 0 to 2"),
        ((lambda x: x.mean((1, 2, 3)), images, target, saliency), "return shape"),
        ((lambda x: x.flatten(1) / 0, images, target, saliency), "finite model output"),
    ):
        with pytest.raises(ValueError, match=expected):
            deletion(*arguments)
    with pytest.raises(ValueError, match="`num_steps` to be at least 1"):
        deletion(TinyNet(), images, target, saliency, 0)
    with pytest.raises(ValueError, match="`segments` of shape"):
        deletion(TinyNet(), images, target, saliency, segments=torch.zeros(7, 2, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match="`substrate` to be 'black', 'blur' or a color"):
        substrate_of(images[:, :2], (0.5, 0.5, 0.5))
