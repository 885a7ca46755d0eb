from typing import Any, cast

import captum.attr
import pytest
import torch
from torch import Tensor

from lightning_spx.attribution import Occlusion
from tests.attribution.cases import Net, images, relative, small_transformer, targets


@pytest.mark.parametrize(
    ("size", "window", "stride"),
    [((10, 10), 4, 2), ((9, 13), 4, 3), ((7, 8), 7, 5), ((6, 6), 1, 1)],
    ids=["even", "over the border", "as large as the image", "single pixels"],
)
def test_equals_captum(size: tuple[int, int], window: int, stride: int) -> None:
    network, target = Net().eval(), targets(3)
    inputs = torch.rand(3, 3, *size, generator=torch.Generator().manual_seed(3))
    fill = (0.2, 0.4, 0.6)
    result = Occlusion(window, stride, fill, chunk_size=5).attribute(network, inputs, target)
    with torch.no_grad():
        expected = captum.attr.Occlusion(network).attribute(
            inputs,
            sliding_window_shapes=(3, window, window),
            strides=(3, stride, stride),
            baselines=torch.tensor(fill)[None, :, None, None].expand_as(inputs),
            target=target,
        )
    assert relative(result, expected / 3) < 1e-5


def test_equals_a_slow_loop() -> None:
    network, inputs, target = Net().eval(), images(2), targets(2)
    result = Occlusion(window=4, stride=3).attribute(network, inputs, target)
    for image, label, found in zip(inputs, target.tolist(), result, strict=True):
        falls: list[list[list[float]]] = [[[] for _ in range(10)] for _ in range(10)]
        for top in (0, 3, 6):
            for left in (0, 3, 6):
                covered = image.clone()
                covered[:, top : top + 4, left : left + 4] = 0
                with torch.no_grad():
                    fall = float(network(image[None])[0, label] - network(covered[None])[0, label])
                for row in range(top, top + 4):
                    for column in range(left, left + 4):
                        falls[row][column].append(fall)
        expected = torch.tensor([[sum(cell) / len(cell) for cell in row] for row in falls])
        assert relative(found.sum(0), expected) < 1e-5


def test_a_sum_loses_what_is_covered() -> None:
    inputs = images(2, 4).double()
    result = Occlusion(window=1, stride=1, baseline=(0.5,)).attribute(lambda x: x.sum((1, 2, 3)), inputs, None)
    assert relative(result[:, 0], (inputs - 0.5).sum(1) / 3) < 1e-6


def test_images_of_one_channel_and_transformers() -> None:
    gray, whole = images(2, 32)[:, :1], images(2, 32)
    transformer = small_transformer()

    def colored(x: Tensor) -> Tensor:
        logits: Tensor = transformer(x.expand(-1, 3, -1, -1))
        return logits

    for model, inputs in ((colored, whole), (colored, gray)):
        result = Occlusion(window=16, stride=16).attribute(model, inputs, 2)
        covered = inputs[0].clone()
        covered[:, 16:, :16] = 0
        with torch.no_grad():
            fall = (model(inputs[:1]) - model(covered[None]))[0, 2]
        assert relative(result[0].sum(0)[16:, :16], fall.expand(16, 16)) < 1e-4


def test_neither_batch_nor_chunks_matter() -> None:
    inputs, target = images(), targets()
    whole = Occlusion(window=4, stride=3).attribute(Net(), inputs, target)
    for chunk_size in (1, 4, 100):
        result = Occlusion(window=4, stride=3, chunk_size=chunk_size).attribute(Net(), inputs.flip(0), target.flip(0))
        assert relative(result.flip(0), whole) < 1e-5


def test_a_constant_image_of_the_baseline_has_no_attribution() -> None:
    gray = torch.full((1, 3, 10, 10), 0.5)
    result: Tensor = Occlusion(baseline=(0.5,)).attribute(Net(), gray, 0)
    assert not result.any()


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="Expected `window` to be positive, got 0"):
        Occlusion(window=0)
    with pytest.raises(TypeError, match=r"Expected `stride` to be an integer, got 2\.5"):
        Occlusion(stride=cast(Any, 2.5))
    with pytest.raises(ValueError, match=r"Expected `stride` to be at most `window` = 3, .* is covered, got 4"):
        Occlusion(window=3)
    with pytest.raises(ValueError, match="Expected `window` to fit into images of 10x10 pixels, got 11"):
        Occlusion(window=11).attribute(Net(), images(), targets())
    with pytest.raises(ValueError, match="Expected `baseline` to broadcast"):
        Occlusion(baseline=(0.1, 0.2)).attribute(Net(), images(), targets())
