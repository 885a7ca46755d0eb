"""Says how many channels images should have, and refuses a network that does not take theirs."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from lightning_spx.models.image_model import ImageModel
from lightning_spx.models.network_name import network_name

DEFAULT_CHANNELS = 3


def default_channels(models: Iterable[ImageModel]) -> int:
    """Return the number of channels that the first model takes which says one, and 3 if none does.

    Example:
        >>> import torch
        >>> default_channels([ImageModel(torch.nn.Conv2d(10, 2, 1))]), default_channels([ImageModel(torch.nn.ReLU())])
        (10, 3)
    """
    return next((each.channels for each in models if each.channels), DEFAULT_CHANNELS)


def check_only_for_photos(channels: int | None, photos: object) -> None:
    """Refuse a number of channels without photos, because data say their own.

    Example:
        >>> check_only_for_photos(1, photos=[])
        Traceback (most recent call last):
        ...
        ValueError: Expected `images` with `channels` 1, got none: images of `data` have the channels of its settings.
    """
    if channels is not None and not photos:
        raise ValueError(
            f"Expected `images` with `channels` {channels}, got none: images of `data` have the channels of its "
            "settings."
        )


def check_channels_fit(model: ImageModel, images: Tensor) -> None:
    """Raise a ValueError that says what to do if a network takes images of another number of channels."""
    network = model.users_network
    takes = model.channels
    # other layers may come first in the forward pass, so only a plain stack of layers can be judged without trying
    if takes is None or takes == images.shape[1] or not isinstance(network, nn.Module):
        return
    try:
        with torch.no_grad():
            model(images.clone())
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"Expected images of {takes} channels for {network_name(model)}, got {images.shape[1]}: set "
            f"`channels` of the images, or give a network for {images.shape[1]} channels."
        ) from error
