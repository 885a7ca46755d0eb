"""The accuracy of a classifier on the test images of its data."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn


@torch.no_grad()
def accuracy(model: nn.Module, batches: Iterable[dict[str, Any]], device: torch.device) -> float:
    """Return the share of labeled images that a classifier, in evaluation mode, classifies as labeled.

    Args:
        model: maps (n, 3, H, W) to (n, K) logits.
        batches: with `image` and `label`, as test loaders give them.
        device: of the model.

    Example:
        >>> batch = {"image": torch.eye(2), "label": torch.tensor([0, 0])}
        >>> accuracy(nn.Identity(), [batch], torch.device("cpu"))
        0.5
    """
    right = total = 0
    for batch in batches:
        preds = model(batch["image"].to(device)).argmax(1).cpu()
        right += int((preds == batch["label"]).sum())
        total += len(preds)
    return right / total
