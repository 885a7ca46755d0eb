"""Warns of a problem once, where each of thousands of files has it."""

import warnings

_SAID: set[str] = set()


def warn_once(about: str, message: str) -> None:
    """Warn of a problem unless this process has been warned of it.

    Args:
        about: names the problem; the message may name the first file that has it.
        message: the warning.

    Example:
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     for file in ("a.json", "b.json"):
        ...         warn_once("lines of the example", f"{file} holds lines.")
        >>> [str(each.message) for each in caught]
        ['a.json holds lines.']
    """
    if about not in _SAID:
        _SAID.add(about)
        warnings.warn(message, stacklevel=3)
