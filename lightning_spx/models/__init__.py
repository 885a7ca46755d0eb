"""Classifiers: networks and the LightningModules that train them."""

from lightning_spx.models.classifier import ImageClassifier
from lightning_spx.models.networks import SmallResNet, cifar_resnet18, pretrained
from lightning_spx.models.normalize import Normalize
from lightning_spx.models.randomisation import cascading_randomisation

__all__ = ["ImageClassifier", "Normalize", "SmallResNet", "cascading_randomisation", "cifar_resnet18", "pretrained"]
