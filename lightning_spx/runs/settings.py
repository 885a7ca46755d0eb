"""Arguments as plain settings, for the folder of a run that was started from Python."""

import re

from lightning_spx.data import ImageDataModule


def plain(value: object) -> object:
    """Write an argument as a plain setting.

    Example:
        >>> plain([1, "a", 0.5]), plain(len)
        ([1, 'a', 0.5], '<built-in function len>')
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, ImageDataModule):
        settings = {name: item for name, item in vars(value).items() if isinstance(item, bool | int | float | str)}
        return {"class": type(value).__name__, **{name: settings[name] for name in sorted(settings) if name[0] != "_"}}
    # the address of an object says nothing of its settings and changes with every start
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
