"""The table of small images that tests of tables share."""

from pathlib import Path

import pytest

from tests.data.table_folder import write_table


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_table(tmp_path / "cells")
