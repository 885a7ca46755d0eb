"""Tables on a console whose width may be unknown."""

from rich.console import Console
from rich.table import Table

from lightning_spx.runs.processes import is_writer

UNLIMITED_WIDTH = 10_000


def print_table(console: Console, table: Table) -> None:
    """Print a table whole: a log file is told to be 80 columns wide, which would cut the numbers off."""
    console.width = max(console.width, Console(width=UNLIMITED_WIDTH).measure(table).maximum)
    console.print(table)


def say(sentence: str) -> None:
    """Print a sentence once, whatever the number of processes."""
    if is_writer():
        print(sentence)
