"""Reads a classifier's outputs: are they logits or probabilities, which class is predicted, how probable is it?"""

from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from lightning_spx.guard import are_probabilities, between_zero_and_one
from lightning_spx.guard.outputs import FEW_IMAGES, SPREAD


def check_logits(output: object, name: str, num_images: int) -> Tensor:
    """Return a model's output if it has the type and shape of logits.

    Args:
        output: what the model returned.
        name: the model's name, for the error.
        num_images: number of images that the model was given.

    Returns:
        Logits (N, K) with K at least 2, or (N,) for a model with one output.

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


def predicted(outputs: Tensor, given: bool) -> Tensor:
    """Return the predicted classes, (N,) int64, for outputs (N, K), or (N,) from a network with one output.

    Example:
        >>> import torch
        >>> predicted(torch.tensor([0.25, 0.75]), given=False), predicted(torch.tensor([0.25, 0.75]), given=True)
        (tensor([1, 1]), tensor([0, 1]))
    """
    return (outputs > (0.5 if given else 0.0)).long() if outputs.ndim == 1 else outputs.argmax(1)


def probability_of(outputs: Tensor, target: Tensor, given: bool) -> Tensor:
    """Return the probabilities (N,) of the target classes.

    Args:
        outputs: (N, K), or (N,) from a network with one output, which stands for class 1.
        target: the target classes, (N,) int64.
        given: whether the outputs are probabilities.

    Example:
        >>> import torch
        >>> probability_of(torch.tensor([0.25, 0.25]), torch.tensor([1, 0]), given=True)
        tensor([0.2500, 0.7500])
    """
    if outputs.ndim == 2:
        return (outputs if given else outputs.softmax(1)).gather(1, target[:, None])[:, 0]
    if given:
        return outputs.where(target == 1, 1 - outputs)
    # sigmoid(-z) is 1 - sigmoid(z) without cancellation
    return outputs.where(target == 1, -outputs).sigmoid()
