"""Reads a classifier's outputs: are they logits or probabilities, which class is predicted, how probable is it?"""

from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from lightning_spx.guard import are_probabilities, between_zero_and_one
from lightning_spx.guard.outputs import FEW_IMAGES, SPREAD
from lightning_spx.models.image_model import Head


def check_logits(output: object, name: str, num_images: int, head: Head = "single_label") -> Tensor:
    """Return a model's output if it has the type and shape of logits.

    Args:
        output: what the model returned.
        name: the model's name, for the error.
        num_images: number of images that the model was given.
        head: what the outputs mean.

    Returns:
        Logits (N, K) with K at least 2, or (N,) for a model with one output; of `multi_label` (N, K), K at least 1.

    Raises:
        TypeError: the output is no floating point tensor.
        ValueError: the output has another shape.

    Example:
        >>> import torch
        >>> check_logits(torch.zeros(2, 1), "Net", 2)
        Traceback (most recent call last):
        ...
        ValueError: Expected Net to return logits (N, K), K at least 2, or (N,) with N = 2, got (2, 1).
    """
    if not isinstance(output, Tensor) or not output.is_floating_point():
        kind = output.dtype if isinstance(output, Tensor) else type(output).__name__
        raise TypeError(f"Expected {name} to return floating point logits, got {kind}.")
    if head == "multi_label":
        if output.ndim != 2 or len(output) != num_images or not output.shape[1]:
            raise ValueError(
                f"Expected {name} to return logits (N, K), one for each finding, with N = {num_images}, "
                f"got {tuple(output.shape)}."
            )
        return output
    # a single column would always be the highest, whatever the image
    if output.ndim not in (1, 2) or len(output) != num_images or (output.ndim == 2 and output.shape[1] < 2):
        raise ValueError(
            f"Expected {name} to return logits (N, K), K at least 2, or (N,) with N = {num_images}, "
            f"got {tuple(output.shape)}."
        )
    return output


def are_given(outputs: Tensor, name: str) -> bool:
    """Return whether outputs are probabilities already; a warning says so, because one row may look so by chance.

    Args:
        outputs: the outputs for all images, (N, K) or (N,).
        name: the network's name, for the warning.
    """
    if not len(outputs):
        return False
    if outputs.ndim == 2 and bool(are_probabilities(outputs).all()):
        rank_zero_warn(
            f"The outputs of {name} are probabilities already, not negative and with the sum 1: "
            "they are used as they are, without a softmax."
        )
        return True
    if not bool(between_zero_and_one(outputs).all()) or float(outputs.max() - outputs.min()) < SPREAD:
        return False
    if len(outputs) < FEW_IMAGES:
        rank_zero_warn(
            f"The outputs of {name} lie in [0, 1], for too few images ({len(outputs)}) to tell whether they are "
            "probabilities: they are read as logits. If they are none, give the network without its sigmoid."
        )
        return False
    if outputs.ndim == 1:
        rank_zero_warn(
            f"The outputs of {name} look like probabilities already, as all of them lie in [0, 1]: they are used as "
            "they are, without a sigmoid, and class 1 is predicted above 0.5."
        )
    else:
        rank_zero_warn(
            f"The outputs of {name} look like probabilities of findings each by itself (sigmoids), as all of them lie "
            "in [0, 1]: they are used as they are, as a softmax over classes would be no probability."
        )
    return True


def predicted(outputs: Tensor, given: bool, head: Head = "single_label") -> Tensor:
    """Return what a model predicts.

    Args:
        outputs: (N, K), or (N,) from a network with one output.
        given: whether the outputs are probabilities.
        head: what the outputs mean.

    Returns:
        The predicted classes, (N,) int64; of `multi_label` (N, K) int64, 1 for a finding whose sigmoid is above 0.5.

    Example:
        >>> import torch
        >>> predicted(torch.tensor([0.25, 0.75]), given=False), predicted(torch.tensor([0.25, 0.75]), given=True)
        (tensor([1, 1]), tensor([0, 1]))
        >>> predicted(torch.tensor([[0.25, -0.5]]), given=False, head="multi_label")
        tensor([[1, 0]])
    """
    if outputs.ndim == 1 or head == "multi_label":
        return (outputs > (0.5 if given else 0.0)).long()
    return outputs.argmax(1)


def probability_of(outputs: Tensor, target: Tensor, given: bool, head: Head = "single_label") -> Tensor:
    """Return the probabilities (N,) of the target classes.

    Args:
        outputs: (N, K), or (N,) from a network with one output, which stands for class 1.
        target: the target classes, (N,) int64; of `multi_label` the numbers of the findings.
        given: whether the outputs are probabilities.
        head: what the outputs mean.

    Example:
        >>> import torch
        >>> probability_of(torch.tensor([0.25, 0.25]), torch.tensor([1, 0]), given=True)
        tensor([0.2500, 0.7500])
        >>> probability_of(torch.tensor([[0.0, 9.0]]), torch.tensor([0]), given=False, head="multi_label")
        tensor([0.5000])
    """
    if outputs.ndim == 2:
        of_all = outputs if given else outputs.sigmoid() if head == "multi_label" else outputs.softmax(1)
        return of_all.gather(1, target[:, None])[:, 0]
    if given:
        return outputs.where(target == 1, 1 - outputs)
    # sigmoid(-z) is 1 - sigmoid(z) without cancellation
    return outputs.where(target == 1, -outputs).sigmoid()
