"""A line about what is being loaded, on terminals only and only if it takes long."""

import sys
import time

import pytest

from lightning_spx.cli.loading import loading
from tests.command_line import Captured


@pytest.mark.parametrize(
    ("terminal", "patience", "said"), [(True, 0.01, "loading x ...\n"), (True, 60, ""), (False, 0.01, "")]
)
def test_loading_is_said_once_on_a_terminal(
    terminal: bool, patience: float, said: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    with loading("x", patience):
        time.sleep(0.1)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", said)
