"""The command `spx`: parsing, errors in one line, interruption, and defaults."""

from lightning_spx.cli.main import COMMANDS, main

__all__ = ["COMMANDS", "main"]
