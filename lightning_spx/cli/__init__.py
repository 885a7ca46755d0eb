"""The command `spx`: what only the command line is about."""

from lightning_spx.cli.main import COMMANDS, main

__all__ = ["COMMANDS", "main"]
