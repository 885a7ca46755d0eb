from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lightning_spx.metrics import Deletion, deletion, insertion, irof, road
from lightning_spx.metrics.probability import target_probability

IMAGES = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
SALIENCY = torch.rand(4, 8, 8, generator=torch.Generator().manual_seed(1))
TARGET = torch.arange(4) % 3
SEGMENTS = (torch.arange(64) // 16).view(1, 8, 8).expand(4, 8, 8)


def network(track: bool = False) -> nn.Module:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(4, track_running_stats=track)
    return nn.Sequential(nn.Conv2d(3, 4, 3), norm, nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).eval()


@pytest.mark.parametrize(
    "score",
    [
        lambda model: target_probability(model, IMAGES, TARGET),
        lambda model: deletion(model, IMAGES, TARGET, SALIENCY, 4),
        lambda model: insertion(model, IMAGES, TARGET, SALIENCY, 4, batch_size=2),
        lambda model: road(model, IMAGES, TARGET, SALIENCY),
        lambda model: irof(model, IMAGES, TARGET, SALIENCY, SEGMENTS, mean=(0.5, 0.5, 0.5)),
        lambda model: Deletion(num_steps=4).update(model, IMAGES, TARGET, SALIENCY),
    ],
    ids=["probability", "deletion", "insertion", "road", "irof", "Deletion"],
)
def test_a_model_whose_answers_depend_on_the_batch_has_no_score(score: Callable[[object], object]) -> None:
    inner = network(track=True)
    with pytest.raises(ValueError, match=r"Expected Sequential to answer each image by itself, got logits .* apart"):
        score(network())
    with pytest.raises(ValueError, match="Expected <lambda> to answer each image by itself"):
        score(lambda x: inner(x - x.mean(0)))
    score(inner)


def test_what_only_looks_like_it_is_scored() -> None:
    def rounded(images: Tensor) -> Tensor:
        # as a network in bfloat16 whose rounding depends on the number of images
        return images.mean((2, 3)) * (1 + 0.01 * len(images))

    def drawn(images: Tensor) -> Tensor:
        return images.mean((2, 3)) + torch.rand(len(images), 3)

    def squeezed(images: Tensor) -> Tensor:
        return images.mean((2, 3)).squeeze()

    for model in (rounded, drawn, squeezed):
        assert target_probability(model, IMAGES, TARGET).shape == (4,)
