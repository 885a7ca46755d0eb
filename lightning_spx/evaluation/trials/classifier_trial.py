"""Refuses, before anything is trained, what a study cannot use that needs one class of several for each image."""

from lightning_spx.evaluation.maps.sampled_images import SampledImages
from lightning_spx.evaluation.trials.model_trial import try_model
from lightning_spx.models.image_model import ImageModel
from lightning_spx.models.network_name import network_name


def try_classifier(model: ImageModel, sampled: SampledImages, measured: str) -> None:
    """Evaluate a model on one of the images as `try_model` does, and refuse all but a classifier with several outputs.

    Args:
        model: the model; it is left in evaluation mode.
        sampled: the study's images.
        measured: what the study measures, for the error.

    Raises:
        TypeError: the output is no tensor of logits.
        ValueError: the images have findings, the model has another head or a single output, or `try_model` refuses it.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> drawn = SampledImages("made", "", lambda _: {"image": torch.rand(1, 8, 8)}, torch.arange(2), None, 0)
        >>> try_classifier(ImageModel(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(0))), drawn, "fidelity")
        Traceback (most recent call last):
        ...
        ValueError: Expected Sequential to return logits (N, K) of K classes, which fidelity needs, got one output ...
    """
    name = network_name(model)
    if sampled.findings:
        raise ValueError(
            f"Expected images of {sampled.name} with one class each, which {measured} needs, got the findings "
            f"{', '.join(sampled.findings)}: `spx stability` measures findings."
        )
    if model.head != "single_label":
        raise ValueError(
            f"Expected `head` single_label for {name}, as {measured} needs a probability for each class, got "
            f"{model.head}."
        )
    if try_model(model, sampled):
        raise ValueError(
            f"Expected {name} to return logits (N, K) of K classes, which {measured} needs, got one output for each "
            "image: give the network two outputs."
        )
