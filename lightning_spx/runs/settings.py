"""The settings that a user chose, as plain values: nested in `config.yaml`, with dotted names to compare two runs."""

import re
import sys
from collections.abc import Mapping
from typing import Any

# these change no number, so they may differ when a run is taken up again
UNIMPORTANT = (
    *("out", "config", "tables"),
    *("trainer.logger", "trainer.enable_progress_bar", "trainer.enable_model_summary"),
)

# settings that came later, with the values at which a run is what it was before: the last part of their dotted names
LATER: Mapping[str, tuple[object, ...]] = {
    "mean": (None,),
    "std": (None,),
    "preprocess": (None,),
    "output": (None,),
    "input_name": (None,),
    "head": (None, "single_label"),
    "to_rgb": (None,),
    "targets": (None,),
    "channels": (None, 3),
    "findings": (None,),
    "attributes": (False,),
    "plans": (None,),
    "ceiling": (True,),
    "ssim_presets": (None,),
    "architectures": (None,),
}


def plain(value: object) -> object:
    """Turn an argument of a command into a plain value for `config.yaml`.

    Example:
        >>> plain([1, "a", 0.5]), plain(len)
        ([1, 'a', 0.5], '<built-in function len>')
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [plain(item) for item in value]
    if _is_data_module(value):
        settings = {name: item for name, item in vars(value).items() if isinstance(item, bool | int | float | str)}
        return {"class": type(value).__name__, **{name: settings[name] for name in sorted(settings) if name[0] != "_"}}
    # an object's address says nothing about its settings and changes with every start
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def _is_data_module(value: object) -> bool:
    # nothing can be one before Lightning is imported, which takes seconds
    lightning = sys.modules.get("lightning")
    return lightning is not None and isinstance(value, lightning.LightningDataModule)


def important_settings(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that change numbers, by their dotted names.

    Example:
        >>> important_settings({"seed": 0, "data": {"root": "x"}, "out": "y"})
        {'seed': '0', 'data.root': 'x'}
    """
    flat = flatten(config).items()
    return {name: str(value) for name, value in flat if not is_unimportant(name) and not is_as_before(name, value)}


def is_as_before(name: str, value: object) -> bool:
    """Whether a setting that earlier versions did not have is at the value that changes nothing.

    Example:
        >>> is_as_before("model.init_args.head", "single_label"), is_as_before("head", "scalar")
        (True, False)
    """
    last = name.rpartition(".")[2]
    return value in LATER.get(last, ())


def is_unimportant(name: str) -> bool:
    """Whether a setting, given by its dotted name, changes no number of the run."""
    return any(name == setting or name.startswith(f"{setting}.") for setting in UNIMPORTANT)


def flatten(config: object, prefix: str = "") -> dict[str, object]:
    """Turn a nested configuration into plain values by dotted names; items of lists are named by position.

    Example:
        >>> flatten({"data": {"root": "x"}, "methods": ["Gradient"]})
        {'data.root': 'x', 'methods.0': 'Gradient'}
    """
    if isinstance(config, Mapping):
        children = {str(key): value for key, value in config.items()}
    elif isinstance(config, list | tuple):
        children = {str(position): value for position, value in enumerate(config)}
    else:
        return {prefix: config}
    flat: dict[str, object] = {} if children or not prefix else {prefix: config}
    for key, value in children.items():
        flat |= flatten(value, f"{prefix}.{key}" if prefix else key)
    return flat
