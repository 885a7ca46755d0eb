"""The command `spx`: help and parsing, errors in one line, interruption, and defaults."""

from typing import TYPE_CHECKING

from lightning_spx.cli.main import main

if TYPE_CHECKING:
    from lightning_spx.cli.commands import COMMANDS

__all__ = ["COMMANDS", "main"]


def __getattr__(name: str) -> object:
    """Import the parsers of all commands when they are asked for, because they need every room."""
    if name != "COMMANDS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lightning_spx.cli.commands import COMMANDS

    return COMMANDS
