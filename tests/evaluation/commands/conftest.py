"""Photos for the commands."""

from pathlib import Path

import pytest

from tests.data.test_photos import photo


@pytest.fixture
def photos() -> list[str]:
    return [str(photo(Path(f"photos/{number}.png"), (16, 16), number)) for number in range(7)]
