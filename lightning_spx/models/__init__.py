"""How images become logits; classifiers and CycleGAN: networks, and the LightningModules that train them."""

from lightning_spx.models.classifier import ImageClassifier
from lightning_spx.models.cyclegan import CycleGAN, Part
from lightning_spx.models.cyclegan_networks import PatchDiscriminator, ResNetGenerator
from lightning_spx.models.image_model import ImageModel
from lightning_spx.models.networks import SmallResNet, cifar_resnet18, pretrained
from lightning_spx.models.normalize import Normalize, ZScore
from lightning_spx.models.patch_score import PatchScore, Region
from lightning_spx.models.randomisation import cascading_randomisation
from lightning_spx.models.separation import SeparationAUC, separation_auc

__all__ = [
    "CycleGAN",
    "ImageClassifier",
    "ImageModel",
    "Normalize",
    "Part",
    "PatchDiscriminator",
    "PatchScore",
    "Region",
    "ResNetGenerator",
    "SeparationAUC",
    "SmallResNet",
    "ZScore",
    "cascading_randomisation",
    "cifar_resnet18",
    "pretrained",
    "separation_auc",
]
