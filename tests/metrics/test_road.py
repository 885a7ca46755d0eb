import pytest
import torch
from torch import Tensor

from lightning_spx.metrics import ROAD, road
from lightning_spx.metrics.road import Order
from tests.metrics.removal_cases import TinyNet, draw


class Counting:
    """Writes down which pixels of all images were changed."""

    def __init__(self, images: Tensor) -> None:
        self.images = images
        self.changed: list[Tensor] = []

    def __call__(self, filled: Tensor) -> Tensor:
        if len(filled) == len(self.images):
            self.changed.append((filled != self.images).any(1))
        return torch.zeros(len(filled), 2)


@pytest.mark.parametrize("order", ["morf", "lerf"])
def test_the_exact_number_of_pixels_is_removed_when_values_tie(order: Order) -> None:
    images = torch.rand(5, 3, 10, 11, generator=torch.Generator().manual_seed(0))
    saliency = torch.zeros(5, 10, 11)
    saliency[:, :3, :5] = 1.0
    for fraction, count in ((0.1, 11), (0.35, 38), (0.9, 99)):
        model = Counting(images)
        road(model, images, torch.zeros(5, dtype=torch.int64), saliency, fraction, order)
        (changed,) = model.changed
        assert changed.flatten(1).sum(1).tolist() == [count] * 5
        top = changed[:, :3, :5].flatten(1).sum(1).tolist()
        assert top == [min(count, 15) if order == "morf" else max(0, count - 95)] * 5


def test_noise_is_seeded_has_its_standard_deviation_and_only_touches_imputed_pixels() -> None:
    images = torch.full((2, 3, 40, 40), 0.5)
    images[1] += 0.1
    seen: list[Tensor] = []

    def model(filled: Tensor) -> Tensor:
        if len(filled) == len(images):
            seen.append(filled)
        return torch.zeros(len(filled), 2)

    saliency, target = torch.rand(2, 40, 40, generator=torch.Generator().manual_seed(0)), torch.zeros(2).long()
    for seed in (0, 0, 1):
        road(model, images, target, saliency, 0.5, "morf", 0.01, seed)
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])
    noise = (seen[0] - images).flatten(1)
    assert (noise != 0).sum(1).tolist() == [3 * 800] * 2
    # 2,400 values: the standard error of a deviation is 1.4 %
    assert noise[noise != 0].std().item() == pytest.approx(0.01, rel=0.06)


def test_road_metric_is_the_mean_of_its_fractions_whatever_the_batches() -> None:
    images, target, saliency = draw()
    net = TinyNet().train()

    def mean(order: Order) -> Tensor:
        return torch.stack([road(net, images, target, saliency, f, order) for f in (0.3, 0.6)]).mean(0)

    metrics = [
        (ROAD("morf", fractions=[0.3, 0.6], batch_size=2), mean("morf")),
        (ROAD("lerf", fractions=[0.3, 0.6], batch_size=3), mean("lerf")),
        (ROAD(fractions=[0.3, 0.6]), (mean("lerf") - mean("morf")) / 2),
    ]
    for metric, value in metrics:
        for here in (slice(5, 7), slice(0, 5)):
            metric.update(net, images[here], target[here], saliency[here])
        torch.testing.assert_close(metric.compute(), value.mean())
    saliency[0] = torch.nan
    metric = ROAD(fractions=[0.5])
    metric.update(net, images, target, saliency)
    assert metric.num_dropped == 1


def test_a_true_map_does_better_than_chance_and_its_opposite_worse() -> None:
    images, _, _ = draw(60)
    target = torch.zeros(60, dtype=torch.int64)
    net = TinyNet()
    pull = (images * net.weight[0].view(3, 4, 5)).sum(1).detach()
    results = []
    for saliency in (pull, -pull):
        metric = ROAD()
        metric.update(net, images, target, saliency)
        results.append(metric.compute().item())
    assert results[0] > 0.02
    assert results[1] < -0.02


def test_settings_out_of_range_are_refused() -> None:
    images, target, saliency = draw(2)
    for build, expected in (
        (lambda: road(TinyNet(), images, target, saliency, 1.2), "`fraction`"),
        (lambda: road(TinyNet(), images, target, saliency, noise=-1.0), "`noise`"),
        (lambda: ROAD(fractions=[]), "`fractions`"),
        (lambda: ROAD(batch_size=0), "`batch_size`"),
    ):
        with pytest.raises(ValueError, match=expected):
            build()
