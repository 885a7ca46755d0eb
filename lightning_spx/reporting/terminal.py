"""Prints a study's answer so that it fits on one screen, and says where the rest is."""

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lightning_spx.reporting.answer import Answer
from lightning_spx.reporting.tables import print_table


def print_answer(
    run: Path, answer: Answer, main: Callable[[int], Table], more: Sequence[Table | str] | None = None
) -> None:
    """Print the models, the answer with its warnings, one table, and where the rest is.

    Args:
        run: folder of the study.
        answer: of the study.
        main: makes the table for a number of columns.
        more: further tables and sentences; None says how to see them.
    """
    console = Console(highlight=False)
    console.print(Text(answer.title, "bold"), Text("\n".join(answer.models)), sep="\n")
    console.print()
    for position, sentence in enumerate(answer.sentences):
        console.print(Text(sentence, "bold" if position == 0 else ""))
    for warning in answer.warnings:
        console.print(Text("Warning: ", "bold yellow").append(warning, "not bold"))
    for note in answer.notes:
        console.print(Text(note, "dim"))
    console.print()
    table = main(console.width)
    # Rich would wrap the lines below a table at the table's own width
    below, table.caption = table.caption, None
    print_table(console, table)
    console.print(below)
    for each in more or ():
        if isinstance(each, Table):
            print_table(console, each)
        else:
            console.print(Text(each))
    console.print()
    console.print(Text(f"More: results.csv and figures/ in {run}"), soft_wrap=True)
    if more is None:
        console.print(Text("All tables: the same command with --tables"))
    console.print(Text(f"As a page: spx report {shlex.quote(str(run))}"), soft_wrap=True)
    if answer.sentences:
        # a long output is read from its end
        console.print(Text(answer.sentences[0], "bold"))
