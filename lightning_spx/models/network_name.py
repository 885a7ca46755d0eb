"""Finds the name by which messages mention a user's network."""

from torch import nn

from lightning_spx.models.at_size import AtSize
from lightning_spx.models.classifier import ImageClassifier
from lightning_spx.models.patch_score import PatchScore


def network_name(model: nn.Module) -> str:
    """Return the name of the user's class inside our wrappers (normalization, resizing, mean of patches).

    Example:
        >>> from lightning_spx.models import ImageClassifier, SmallResNet
        >>> network_name(ImageClassifier(SmallResNet())), network_name(nn.ReLU())
        ('SmallResNet', 'ReLU')
    """
    while isinstance(model, ImageClassifier | AtSize | PatchScore):
        model = model.discriminator if isinstance(model, PatchScore) else model.network
    return type(model).__name__
