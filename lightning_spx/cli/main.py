"""The command `spx`: it looks at the first word, and imports no more than that word needs."""

import os
import sys
from contextlib import suppress

from lightning_spx import __version__
from lightning_spx.cli.catalog import LISTS, listed
from lightning_spx.cli.error_line import GO_ON, GO_ON_FROM, foreseen, is_foreseen, refusal
from lightning_spx.cli.help_texts import HELP, LIGHTNING
from lightning_spx.cli.loading import loading
from lightning_spx.cli.short_help import help_asked_for, overview, short_help
from lightning_spx.cli.suggestions import did_you_mean


def main(args: list[str] | None = None) -> None:
    """Run the command line; bad input ends with exit code 2 and one line that names it.

    Args:
        args: the words after `spx`; None takes them from the console.
    """
    words = sys.argv[1:] if args is None else args
    with suppress(FileNotFoundError):  # the folder was deleted
        if os.getcwd() not in sys.path:
            # a user's modules lie where the command is started, as for `python -m`; they do not hide installed ones
            sys.path.append(os.getcwd())
    try:
        answer = answer_to(words)
        if answer is None:
            run(words, args)
    except foreseen() as error:
        if not is_foreseen(error):
            raise
        go_on = GO_ON_FROM if words and words[0] in LIGHTNING else GO_ON
        print(f"error: {refusal(error, go_on)}", file=sys.stderr)
        sys.exit(2)
    if answer is not None:
        try:
            print(answer, flush=True)
        except BrokenPipeError:
            # whoever reads has read enough, as `head` does; Python would complain once more when it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def answer_to(words: list[str]) -> str | None:
    """Return what `spx` says without running anything, such as help; None if the words are a command to run.

    Raises:
        ValueError: there is no first word, or it is no command; the message suggests the nearest one.
    """
    first = words[0] if words else None
    if first is None:
        raise ValueError("Expected a command, got none: start with `spx stability`, or see `spx --help`.")
    if first in ("-h", "--help"):
        return overview()
    if first == "--version":
        return f"spx {__version__}"
    asked = help_asked_for(words[1:])
    if first in LISTS:
        return listed(first)
    if first not in HELP:
        near = did_you_mean(first, [*HELP, *LISTS]) or " see `spx --help`."
        raise ValueError(f"Expected a command of `spx`, got `{first}`:{near}")
    if asked == "short":
        return short_help(first)
    if asked == "all" and first not in LIGHTNING:
        with loading("PyTorch and Lightning"):
            from lightning_spx.cli.full_help import full_help
        return full_help(first)
    return None


def run(words: list[str], args: list[str] | None) -> None:
    """Run a command, whose name is the first of the words.

    Args:
        words: the words after `spx`.
        args: the same words, or None if they are the console's, which Lightning tells apart.
    """
    if words[0] == "report":
        with loading("pandas"):
            from lightning_spx.cli.interruption import Interruptible
            from lightning_spx.cli.report_command import run_report
        with Interruptible(words):
            run_report(words)
        return
    with loading("PyTorch and Lightning"):
        from lightning_spx.cli.commands import run_command, run_lightning
        from lightning_spx.cli.interruption import Interruptible
    with Interruptible(words, lightning=words[0] in LIGHTNING):
        if words[0] in LIGHTNING:
            run_lightning(words, args)
        else:
            run_command(words)
