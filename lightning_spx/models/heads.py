"""What a classifier's head asks of its labels, and the loss that trains it."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from lightning_spx.models.image_model import Head


def check_labels(logits: Tensor, label: Tensor, head: Head) -> None:
    """Refuse labels of another kind than the head's.

    Args:
        logits: `(N, K)`, or `(N,)` of a binary classifier with one output.
        label: for `single_label` classes `(N,)`, integers; for `multi_label` findings `(N, K)`, floats: 1 for present,
            0 for absent and NaN for not said.
        head: `single_label` or `multi_label`.

    Raises:
        TypeError: the labels are integers where floats are expected, or the other way around.
        ValueError: the labels have another shape or values.

    Example:
        >>> check_labels(torch.zeros(2, 3), torch.tensor([0, 2]), "multi_label")
        Traceback (most recent call last):
        ...
        ValueError: Expected `label` to be (2, 3), the findings of each image, for `head` multi_label, got (2,): set \
`head` to single_label for classes.
    """
    shape = tuple(label.shape)
    if logits.ndim not in (1, 2) or logits.shape[0] != len(label):
        raise ValueError(
            f"Expected the network to return one row of logits for each of {len(label)} labels, (N, K), got "
            f"{tuple(logits.shape)}."
        )
    if head == "multi_label":
        if label.ndim != 2:
            raise ValueError(
                f"Expected `label` to be {tuple(logits.shape)}, the findings of each image, for `head` multi_label, "
                f"got {shape}: set `head` to single_label for classes."
            )
        if shape != tuple(logits.shape):
            raise ValueError(
                f"Expected `label` to be {tuple(logits.shape)}, one column for each of the network's {logits.shape[1]} "
                f"outputs, got {shape}: give the network {shape[1]} outputs."
            )
        if not label.is_floating_point():
            raise TypeError(f"Expected `label` of `head` multi_label to be floats, 0, 1 or NaN, got {label.dtype}.")
        if not bool(((label == 0) | (label == 1) | label.isnan()).all()):
            raise ValueError(f"Expected `label` of `head` multi_label to be 0, 1 or NaN, got {_outside(label)}.")
        return
    if label.ndim != 1:
        raise ValueError(
            f"Expected `label` to be {tuple(logits.shape[:1])}, the class of each image, for `head` single_label, got "
            f"{shape}: set `head` to multi_label for several findings."
        )
    if label.is_floating_point():
        raise TypeError(f"Expected `label` of `head` single_label to be class numbers, integers, got {label.dtype}.")
    if logits.ndim == 1 and not bool(((label == 0) | (label == 1)).all()):
        raise ValueError(
            f"Expected `label` to be 0 or 1, because the network has one output, got {_outside(label)}: give the "
            "network an output for each class."
        )


class HeadLoss(nn.Module):
    """The mean loss of a head: cross-entropy of classes `(N, K)`, binary cross-entropy of one logit or of findings.

    Args:
        label_smoothing: fraction of the target probability that is spread over all classes; present and absent are the
            two classes of a finding.

    Example:
        >>> logits, label = torch.tensor([[0.0, 5.0]]), torch.tensor([[1.0, float("nan")]])
        >>> round(HeadLoss()(logits, label).item(), 4)
        0.6931
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Return the mean over images, or over the findings that are said; 0 if none is.

        Args:
            logits: `(N, K)`, or `(N,)` of a binary classifier with one output.
            label: classes `(N,)`, or findings `(N, K)`, of which those that are not said (NaN) are left out.
        """
        if label.ndim == 1 and logits.ndim == 2:
            return functional.cross_entropy(logits, label.long(), label_smoothing=self.label_smoothing)
        said = ~label.isnan()
        # half precision would round smoothed targets
        dtype = torch.promote_types(logits.dtype, torch.float32)
        target = label.to(dtype).where(said, 0.0) * (1 - self.label_smoothing) + self.label_smoothing / 2
        losses = functional.binary_cross_entropy_with_logits(logits.to(dtype), target, reduction="none")
        # not by a product: 0 times a loss that is not finite is NaN
        return losses.where(said, 0.0).sum() / said.sum().clamp(min=1)


def predictions(logits: Tensor) -> Tensor:
    """Return the class of each image, `(N,)`, or 0 or 1 for each finding, `(N, K)`; -1 if its logits are not finite.

    Args:
        logits: `(N, K)` of classes, or `(N,)` of a binary classifier with one output.

    Example:
        >>> predictions(torch.tensor([[0.0, 1.0], [float("nan"), 0.0]])), predictions(torch.tensor([-1.0, 2.0]))
        (tensor([ 1, -1]), tensor([0, 1]))
    """
    if logits.ndim == 1:
        return (logits > 0).long().where(logits.isfinite(), -1)
    return logits.argmax(1).where(logits.isfinite().all(1), -1)


def _outside(label: Tensor) -> str:
    wrong = label[(label != 0) & (label != 1) & (label == label)]
    return f"{wrong[0].item():g}"
