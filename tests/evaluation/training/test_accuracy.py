"""Accuracy on test images, and what guessing gives."""

import pytest
import torch
from torch import Tensor, nn

from lightning_spx.evaluation.training.accuracy import Accuracy, accuracy

CPU = torch.device("cpu")


def batches(logits: Tensor, label: Tensor, size: int) -> list[dict[str, Tensor]]:
    starts = range(0, len(logits), size)
    return [{"image": logits[start : start + size], "label": label[start : start + size]} for start in starts]


@pytest.mark.parametrize("size", [1, 7, 50])
def test_classes(size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    logits, label = torch.randn(50, 3, generator=generator), torch.randint(0, 3, (50,), generator=generator)
    found = accuracy(nn.Identity(), batches(logits, label, size), CPU)
    assert found.value == (logits.argmax(1) == label).sum().item() / 50
    assert found.chance == max(label.tolist().count(number) for number in range(3)) / 50
    assert found.is_near_chance


@pytest.mark.parametrize("size", [1, 7, 50])
def test_findings(size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    logits, draws = torch.randn(50, 4, generator=generator), torch.rand(50, 4, generator=generator)
    label = (draws < torch.tensor([0.1, 0.5, 0.9, 0.0])).float()
    label[torch.rand(50, 4, generator=generator) < 0.3] = torch.nan
    label[:, 1] = torch.where(torch.arange(50) < 45, torch.nan, 1.0)
    found = accuracy(nn.Identity(), batches(logits, label, size), CPU)
    right = naive = total = 0
    for finding in range(4):
        own = [(logits[image, finding] > 0, bool(label[image, finding])) for image in range(50)]
        said = [pair for image, pair in enumerate(own) if not label[image, finding].isnan()]
        right += sum(bool(pred) == truth for pred, truth in said)
        naive += max(sum(truth for _, truth in said), sum(not truth for _, truth in said))
        total += len(said)
    assert (found.value, found.chance, found.num_labels) == (right / total, naive / total, total)


def test_one_output_is_the_logit_of_class_1() -> None:
    logits, label = torch.tensor([1.0, -1.0, 2.0, 3.0, torch.nan]), torch.tensor([1, 0, 0, 1, 0])
    assert accuracy(nn.Identity(), batches(logits, label, 2), CPU) == Accuracy(0.6, 0.6, 5)


def test_logits_that_are_not_finite_are_wrong() -> None:
    logits = torch.tensor([[torch.nan, 0.0], [0.0, torch.inf]])
    assert accuracy(nn.Identity(), batches(logits, torch.tensor([0, 1]), 2), CPU).value == 0
    assert accuracy(nn.Identity(), batches(logits, torch.tensor([[0.0, 0.0], [0.0, 1.0]]), 2), CPU).value == 0.5


def test_a_good_model_is_not_near_chance() -> None:
    assert not Accuracy(0.9, 0.5, 100).is_near_chance
    # a finding in one of ten images: 90 % is what always answering no gives
    assert Accuracy(0.9, 0.9, 100).is_near_chance


def test_labels_that_do_not_fit_are_refused() -> None:
    for logits in (torch.zeros(2, 3), torch.zeros(2), torch.zeros(2, 2, 2)):
        with pytest.raises(ValueError, match=r"logits for labels of shape \(2, 2\), got"):
            accuracy(nn.Identity(), batches(logits, torch.zeros(2, 2), 2), CPU)
    with pytest.raises(ValueError, match="test images with labels, got none"):
        accuracy(nn.Identity(), batches(torch.zeros(2, 2), torch.full((2, 2), torch.nan), 2), CPU)
