"""Tries a model on an image before a study spends time on it, so that what cannot work is refused in one line."""

from lightning_spx.evaluation.maps.readings import check_logits
from lightning_spx.evaluation.maps.sampled_images import SampledImages
from lightning_spx.evaluation.training.named_networks import output_of
from lightning_spx.evaluation.trials.channels import check_channels_fit
from lightning_spx.models.image_model import ImageModel
from lightning_spx.models.network_name import network_name
from lightning_spx.models.preprocess import check_gradient


def try_model(model: ImageModel, sampled: SampledImages) -> bool:
    """Evaluate a model on one of the images, and refuse it if it cannot serve a study of them.

    Args:
        model: the model; it is left in evaluation mode.
        sampled: the study's images.

    Returns:
        Whether the model is a binary classifier with one output, which is explained whatever the label.

    Raises:
        TypeError: the output is no tensor of logits.
        ValueError: the model does not take the images, its preprocess breaks the gradient, or its output does not fit
            its head or the labels.
    """
    image, name = sampled.read([0])[0], network_name(model)
    check_channels_fit(model, image)
    check_gradient(model.normalize, image)
    if model.head == "scalar":
        raise ValueError(
            f"Expected a classifier, got {name} with `head` scalar: agreement of classes needs classes. "
            "`spx explain` and SaliencyEvaluator explain a number."
        )
    if bool(sampled.findings) != (model.head == "multi_label"):
        wanted, data = ("multi_label", "findings") if sampled.findings else ("single_label", "classes")
        raise ValueError(f"Expected `head` {wanted} for data of {data}, got {model.head} for {name}.")
    logits = check_logits(output_of(name, model.eval(), image), name, len(image), model.head)
    if logits.ndim == 1:
        if sampled.num_classes > 2:
            raise ValueError(f"Expected {name} to return {sampled.num_classes} logits, got one for each image.")
        return True
    count = logits.shape[1]
    if count < sampled.num_classes or (sampled.findings and count != sampled.num_classes):
        kind = "finding" if sampled.findings else "class"
        raise ValueError(
            f"Expected {name} to return a logit for each {kind}, {sampled.num_classes} for these data, got {count}."
        )
    return False
