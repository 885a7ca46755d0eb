"""Restores a loader's images to [0, 1]."""

from torch import Tensor, nn

from lightning_spx.models.normalize import Normalize

# restored images leave [0, 1] only by rounding errors; images that are still normalized leave it by far more
TOLERANCE = 1e-2
# what the preprocess of restored images may differ by from the loader's, relative to the largest: half precision
ROUND_TRIP = 2e-2


def restore(inputs: Tensor, preprocess: nn.Module | None) -> Tensor:
    """Return a loader's images in [0, 1], (N, C, H, W) float32.

    Args:
        inputs: floating point images (N, C, H, W) as the loader gives them.
        preprocess: what the loader did to them, which `invert` of the layer undoes; without such a method, and with
            None, the loader's images are in [0, 1] already.

    Raises:
        ValueError: the restored images are not in [0, 1], or `mean` has another number of channels; the error says
            which argument to set.

    Example:
        >>> import torch
        >>> from lightning_spx.models import Normalize
        >>> restore(torch.full((1, 1, 1, 1), 2.0), Normalize((0.5,), (0.25,))).item()
        1.0
    """
    invert = getattr(preprocess, "invert", None)
    images: Tensor = inputs.float() if invert is None else invert(inputs.float())
    low, high = float(images.min()), float(images.max())
    if not (low >= -TOLERANCE and high <= 1 + TOLERANCE):  # false for a NaN
        advice = "Set `mean` and `std` of SaliencyEvaluator to those of the loader's normalization"
        if invert is not None:
            advice = "Set `mean` and `std` of SaliencyEvaluator to other ones"
        elif preprocess is not None:
            advice = "Give `preprocess` a method `invert`, or set `batch_to_images` to return images in [0, 1]"
        raise ValueError(
            f"Expected images in [0, 1], got {low:.3g} to {high:.3g}. {advice}, so that the images can be restored."
        )
    restored = images.clamp(0, 1)
    # a fixed normalization is undone exactly, but for what the limits cut off
    if preprocess is not None and invert is not None and not isinstance(preprocess, Normalize):
        _check_round_trip(inputs.float(), preprocess(restored), preprocess)
    return restored


def _check_round_trip(inputs: Tensor, again: Tensor, preprocess: nn.Module) -> None:
    """Refuse a preprocess that is not what the loader did: it would give the model other inputs than in training."""
    apart = float((inputs - again).abs().max())
    reach = float(inputs.abs().max())
    if not apart <= ROUND_TRIP * max(reach, 1.0):  # also refuses a NaN
        raise ValueError(
            f"Expected `preprocess` {type(preprocess).__name__} to be what the loader does to images, but of the "
            f"restored images it makes inputs that are {apart:.3g} apart from the loader's: give what the loader does, "
            "or nothing if it gives images in [0, 1]."
        )
