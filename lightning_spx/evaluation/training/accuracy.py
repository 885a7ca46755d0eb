"""Measures the accuracy of a classifier on the test images of its data."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn


@torch.no_grad()
def accuracy(model: nn.Module, batches: Iterable[dict[str, Any]], device: torch.device) -> float:
    """Return the fraction of images to which a classifier, in evaluation mode, gives their label.

    Args:
        model: maps images (n, 3, H, W) to logits (n, K).
        batches: batches with `image` and `label`, as test loaders give them.
        device: the model's device.

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
