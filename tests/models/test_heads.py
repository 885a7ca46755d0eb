"""Losses, predictions and labels of the heads."""

import math

import pytest
import torch
from torch import Tensor, nn

from lightning_spx.models.heads import HeadLoss, check_labels, predictions
from lightning_spx.models.image_model import Head

NAN = torch.nan


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_classes_have_the_cross_entropy_of_torch_to_the_last_bit(smoothing: float) -> None:
    logits, label = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    assert torch.equal(
        HeadLoss(smoothing)(logits, label), nn.CrossEntropyLoss(label_smoothing=smoothing)(logits, label)
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_one_logit_has_the_loss_and_gradient_of_two_classes(smoothing: float) -> None:
    logit, label = torch.randn(6, dtype=torch.float64, requires_grad=True), torch.tensor([0, 1, 1, 0, 1, 0])
    pair = torch.stack([torch.zeros_like(logit), logit], 1)
    expected = nn.functional.cross_entropy(pair, label, label_smoothing=smoothing)
    found = HeadLoss(smoothing)(logit, label)
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad(loss, logit, retain_graph=True)[0] for loss in (found, expected)]
    torch.testing.assert_close(*gradients)
    assert gradients[0].abs().min() > 0


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_findings_have_the_loss_of_a_loop_over_those_that_are_said(smoothing: float) -> None:
    logits = torch.randn(5, 3, dtype=torch.float64)
    label = torch.tensor([[1, 0, NAN], [NAN, NAN, NAN], [1, 1, 0], [0, NAN, 0], [0, 1, 1]])
    losses = []
    for logit, truth in zip(logits.flatten().tolist(), label.flatten().tolist(), strict=True):
        if not math.isnan(truth):
            target, prob = truth * (1 - smoothing) + smoothing / 2, 1 / (1 + math.exp(-logit))
            losses.append(-target * math.log(prob) - (1 - target) * math.log(1 - prob))
    assert HeadLoss(smoothing)(logits, label).item() == pytest.approx(sum(losses) / len(losses))


def test_what_is_not_said_has_no_gradient() -> None:
    logits = torch.tensor([[0.0, torch.inf], [1.0, 2.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(HeadLoss()(logits, torch.tensor([[1.0, NAN], [NAN, 0.0]])), logits)
    assert gradient.isfinite().all()
    assert (gradient != 0).tolist() == [[True, False], [False, True]]
    nothing = torch.zeros(2, 2, requires_grad=True)
    loss = HeadLoss()(nothing, torch.full((2, 2), NAN))
    (gradient,) = torch.autograd.grad(loss, nothing)
    assert loss.item() == 0
    assert not gradient.any()


def test_predictions() -> None:
    assert predictions(torch.tensor([0.0, 1e-6, -1.0, torch.inf, NAN])).tolist() == [0, 1, 0, -1, -1]
    assert predictions(torch.tensor([[0.0, 1.0], [2.0, 1.0], [NAN, 1.0]])).tolist() == [1, 0, -1]


@pytest.mark.parametrize(
    ("head", "logits", "label", "message"),
    [
        (
            "multi_label",
            (2, 3),
            torch.tensor([0, 1]),
            r"`label` to be \(2, 3\), the findings .* set `head` to single_lab",
        ),
        (
            "multi_label",
            (2, 3),
            torch.zeros(2, 2),
            r"the network's 3 outputs, got \(2, 2\): give the network 2 outputs",
        ),
        ("multi_label", (2, 1), torch.tensor([[2.0], [0.0]]), "`head` multi_label to be 0, 1 or NaN, got 2"),
        ("single_label", (2, 3), torch.zeros(2, 3), r"`label` to be \(2,\), the class .* set `head` to multi_label"),
        ("single_label", (2,), torch.tensor([0, 2]), "0 or 1, because the network has one output, got 2"),
        (
            "single_label",
            (2, 3, 4),
            torch.tensor([0, 2]),
            r"one row of logits for each of 2 labels, \(N, K\), got \(2, 3",
        ),
        ("single_label", (3, 3), torch.tensor([0, 2]), r"one row of logits for each of 2 labels, \(N, K\), got \(3, 3"),
    ],
)
def test_labels_of_another_head_are_refused(head: Head, logits: tuple[int, ...], label: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_labels(torch.zeros(logits), label, head)


def test_labels_of_another_type_are_refused() -> None:
    with pytest.raises(TypeError, match=r"multi_label to be floats, 0, 1 or NaN, got torch\.int64"):
        check_labels(torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.int64), "multi_label")
    with pytest.raises(TypeError, match=r"single_label to be class numbers, integers, got torch\.float32"):
        check_labels(torch.zeros(2, 2), torch.zeros(2), "single_label")
