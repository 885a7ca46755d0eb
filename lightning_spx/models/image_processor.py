"""Reads the normalization that an image processor of Hugging Face applies."""

import json
from collections.abc import Mapping
from pathlib import Path

from torch import nn

Channels = tuple[float, ...]
# the file beside a model's weights that says how its images are prepared
PROCESSOR_FILE = "preprocessor_config.json"
FLAGS = ("do_normalize", "do_rescale", "rescale_factor", "offset")
# 1/255 may be rounded
TOLERANCE = 5e-3


def of_processor(preprocess: object) -> tuple[Channels, Channels] | None:
    """Return the normalization of a Hugging Face image processor, for images in [0, 1]; None for anything else.

    Raises:
        ValueError: the processor scales images in another way than dividing by 255.

    Example:
        >>> of_processor(nn.ReLU()) is None
        True
    """
    settings = {name: getattr(preprocess, name, None) for name in ("image_mean", "image_std", *FLAGS)}
    return None if settings["image_mean"] is None else _of_processor_settings(settings, type(preprocess).__name__)


def _of_processor_settings(settings: Mapping[str, object], source: str) -> tuple[Channels, Channels] | None:
    mean, std = _channels(settings.get("image_mean")), _channels(settings.get("image_std"))
    if settings.get("do_normalize") is False:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if mean is None or std is None:
        return None
    factor = settings.get("rescale_factor")
    rescaled = settings.get("do_rescale") is not False
    if (
        not rescaled
        or settings.get("offset")
        or (isinstance(factor, int | float) and abs(255 * factor - 1) > TOLERANCE)
    ):
        raise ValueError(
            f"Expected an image processor that divides images by 255, got {source} with do_rescale {rescaled}, "
            f"rescale_factor {factor} and offset {settings.get('offset')}: give `mean` and `std` for images in [0, 1]."
        )
    return mean, std


def processor_beside(network: nn.Module) -> tuple[Channels, Channels] | None:
    """Read the image processor in the folder that a Hugging Face model was loaded from; None without one."""
    folder = getattr(getattr(network, "config", None), "_name_or_path", None)
    if not isinstance(folder, str) or not folder:
        return None
    file = Path(folder, PROCESSOR_FILE)
    if not file.is_file():
        cached = _cached(folder)
        if cached is None:
            return None
        file = cached
    settings = json.loads(file.read_text(encoding="utf-8"))
    return _of_processor_settings(settings, str(file)) if isinstance(settings, dict) else None


def _cached(name: str) -> Path | None:
    """Find the processor's file of a model that was downloaded by its name; nothing is downloaded here."""
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError
    except ImportError:
        return None
    try:
        found = try_to_load_from_cache(name, PROCESSOR_FILE)
    except HFValidationError:
        # the path of a folder is no name
        return None
    return Path(found) if isinstance(found, str) else None


def _channels(values: object) -> Channels | None:
    if not isinstance(values, list | tuple) or not all(isinstance(value, int | float) for value in values):
        return None
    return tuple(float(value) for value in values) or None
