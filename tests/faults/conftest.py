"""One undisturbed study, which every disturbed one is to equal."""

from pathlib import Path

import pytest

from tests.faults.child import start


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    ended = start(out)
    assert ended.code == 0, ended.lines
    return out
