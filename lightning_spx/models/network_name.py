"""Finds the name by which messages mention a user's network."""

from typing import cast

from torch import nn

from lightning_spx.guard.layer_names import users_name
from lightning_spx.models.at_size import AtSize
from lightning_spx.models.classifier import ImageClassifier
from lightning_spx.models.image_model import EitherClass, ImageModel
from lightning_spx.models.patch_score import PatchScore


def network_name(model: nn.Module) -> str:
    """Return the name of the user's class inside our wrappers (normalization, resizing, mean of patches).

    Example:
        >>> from lightning_spx.models import ImageClassifier, SmallResNet
        >>> network_name(ImageClassifier(SmallResNet())), network_name(nn.ReLU())
        ('SmallResNet', 'ReLU')
    """
    while isinstance(model, ImageModel | EitherClass | ImageClassifier | AtSize | PatchScore):
        if isinstance(model, EitherClass):
            model = model.model
        elif isinstance(model, ImageModel) and not isinstance(model.network, nn.Module):
            return users_name(model.network)
        else:
            inner = model.discriminator if isinstance(model, PatchScore) else model.network
            model = cast(nn.Module, inner)
    return type(model).__name__
