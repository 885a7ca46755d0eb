"""Removals of all metrics at once: the values of each metric alone, and each distinct image shown once."""

from itertools import chain

import torch

from lightning_spx.evaluation.tradeoff.removals import ORDERS, FidelitySettings, Removals
from lightning_spx.metrics import deletion, insertion, removal_ranks, road
from lightning_spx.metrics.probability import target_probabilities
from tests.metrics.removal_cases import HEIGHT, WIDTH, TinyNet

SETTINGS = FidelitySettings(num_steps=4, substrates=["black", "blur"], fractions=[0.3, 0.6], batch_size=4, seed=0)
GENERATOR = torch.Generator().manual_seed(0)
PHOTOS = torch.rand(3, 3, HEIGHT, WIDTH, generator=GENERATOR)
MAPS = torch.rand(2, 3, HEIGHT, WIDTH, generator=GENERATOR)
TARGET = torch.tensor([0, 1, 1])


def removals(maps: torch.Tensor) -> Removals:
    return Removals(torch.stack([removal_ranks(each, PHOTOS) for each in maps]), SETTINGS)


def test_values_are_those_of_the_metrics() -> None:
    model, found = TinyNet(), removals(MAPS)
    probability = torch.cat(target_probabilities(model, found.images(PHOTOS, TARGET), 4))
    values = found.values(probability)
    for number, each in enumerate(MAPS):
        for substrate in SETTINGS.substrates:
            for name, metric in (("deletion", deletion), ("insertion", insertion)):
                expected = metric(model, PHOTOS, TARGET, each, 4, substrate)
                torch.testing.assert_close(values[name, f"substrate={substrate}"][number], expected)
        after = [[road(model, PHOTOS, TARGET, each, part, order) for part in (0.3, 0.6)] for order in ORDERS]
        morf, lerf = ((first + second) / 2 for first, second in after)
        for order, expected in {"morf": morf, "lerf": lerf, "combined": (lerf - morf) / 2}.items():
            torch.testing.assert_close(values["road", f"order={order}"][number], expected)


def test_each_distinct_image_is_shown_once() -> None:
    found = removals(MAPS)
    shown = [*chain.from_iterable(images for images, _ in found.images(PHOTOS, TARGET))]
    assert len(shown) == found.num_images
    # three steps between nothing and everything, whose images every map shares
    assert found.num_images == 3 * (2 * 2 * (2 * 3 + 2) + 2 * 2 * 2)
    # the same maps again, and the same maps of another scale, show nothing new
    assert removals(torch.cat([MAPS, MAPS, 2 * MAPS])).num_images == found.num_images
