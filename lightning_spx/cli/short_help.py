"""Help that fits on a screen, made from a table of words, so that it needs no import of what it explains."""

import shutil
import textwrap
from collections.abc import Sequence

from lightning_spx.cli.catalog import LISTS
from lightning_spx.cli.help_texts import FIRST, HELP, LIGHTNING, Setting

WIDEST = 100
INDENT = "  "


def help_asked_for(words: Sequence[str]) -> str | None:
    """Return which help the words of a command ask for: `short`, `all` or None.

    Example:
        >>> [help_asked_for(words.split()) for words in ("--seed 1 -h", "--help all", "--help=all", "--seed 1")]
        ['short', 'all', 'all', None]
    """
    for position, word in enumerate(words):
        if word == "--help=all" or (word in ("-h", "--help") and words[position + 1 : position + 2] == ["all"]):
            return "all"
        if word in ("-h", "--help"):
            return "short"
    return None


def overview() -> str:
    """Return the help of `spx` itself: one line for each command, the way in first."""
    width = line_width()
    rows = {name: HELP[name].summary for name in HELP if name not in LIGHTNING}
    lists = dict(LISTS)
    trainer = {name: HELP[name].summary for name in LIGHTNING}
    left = max(map(len, [*rows, *lists, *trainer])) + 2
    parts = [
        "spx COMMAND [settings]: would another model have shown the same saliency map?",
        f"Start with `spx {FIRST}`: it needs no file and no network.",
        *("", *_table(rows, left, width), "", "What there is:", *_table(lists, left, width)),
        *("", "Training by Lightning, with the models and data of this package or yours:"),
        *_table(trainer, left, width),
        *("", "`spx COMMAND --help` explains a command, `--help all` every setting of it."),
        "Set the environment variable SPX_TRACEBACK=1 to see the traceback of an error.",
    ]
    return "\n".join(line for part in parts for line in (textwrap.wrap(part, width) if len(part) > width else [part]))


def short_help(command: str) -> str:
    """Return what a command does, examples, and the settings that matter."""
    width = line_width()
    told = HELP[command]
    names = [f"--{each.name}" if each.option else each.name for each in told.settings]
    left = max(map(len, names)) + 2
    rows = {name: _words(each) for name, each in zip(names, told.settings, strict=True)}
    lines = [
        *textwrap.wrap(f"spx {command}: {told.summary[0].lower()}{told.summary[1:]}. {told.more}".rstrip(), width),
        *("", "Examples:", *_examples(told.examples, width)),
        *("", "The settings that matter, with their defaults:", *_table(rows, left, width)),
        *("", f"All settings: spx {command} --help all"),
    ]
    return "\n".join(lines)


def line_width() -> int:
    """Return how wide a line may be: as the terminal, but no wider than one reads well."""
    return min(shutil.get_terminal_size().columns, WIDEST)


def _words(setting: Setting) -> str:
    return f"{setting.words} [{setting.default}]" if setting.default else setting.words


def _examples(examples: Sequence[str], width: int) -> list[str]:
    lines = []
    for each in examples:
        # a line breaks before a setting, and ends as a shell needs it, so that it can be copied
        first, *settings = each.split(" --")
        line = INDENT + first
        for setting in settings:
            if len(f"{line} --{setting} \\") > width:
                lines.append(f"{line} \\")
                line = f"{2 * INDENT}--{setting}"
            else:
                line += f" --{setting}"
        lines.append(line)
    return lines


def _table(rows: dict[str, str], left: int, width: int) -> list[str]:
    """Return lines of two columns, the second one wrapped."""
    lines = []
    for name, words in rows.items():
        wrapped = textwrap.wrap(words, max(20, width - left - len(INDENT)), break_on_hyphens=False)
        lines += [f"{INDENT}{name:<{left}}{wrapped[0]}", *(" " * (left + len(INDENT)) + line for line in wrapped[1:])]
    return lines
