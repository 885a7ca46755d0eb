"""The tests of this room look at the pictures that the others leave blank."""

from collections.abc import Iterator

import pytest

from tests.pictures import drawn


@pytest.fixture(scope="module", autouse=True)
def pictures() -> Iterator[None]:
    with drawn():
        yield
