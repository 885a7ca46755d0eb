"""The two ways in which a bad input may end."""

from collections.abc import Callable

import pytest

# what `spx` turns into one line and exit code 2; anything else would be a traceback
REFUSALS = (ValueError, TypeError, OSError)


def refused(call: Callable[[], object], *named: str) -> str:
    """The message of the error that a call ends in, after a check that it is one line that names what is bad."""
    with pytest.raises(REFUSALS) as caught:
        call()
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert [part for part in named if part not in message] == []
    return message


def refused_or(call: Callable[[], object], *named: str) -> object | None:
    """What a call returns, or None if it is refused as it must be."""
    try:
        return call()
    except REFUSALS as error:
        message = str(error)
    assert len(message.splitlines()) == 1
    assert [part for part in named if part not in message] == []
    return None
