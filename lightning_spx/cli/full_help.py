"""The help of every setting: what the parser says, without what does not help."""

import re
from argparse import Action
from collections.abc import Iterator

from jsonargparse import ArgumentParser

from lightning_spx.cli.commands import COMMANDS

SUBCLASSES = re.compile(r",\s+known\s+subclasses:[\w.,\s]+")


def full_help(command: str) -> str:
    """Return the help of all settings of one of this package's commands."""
    make, _ = COMMANDS[command]
    parser = make()
    parser.prog = f"spx {command}"
    for action in optional_actions(parser):
        action.required = False
    # any network will do, so the list of those that happen to be imported says nothing
    return SUBCLASSES.sub(lambda found: "" if "torch.nn." in found[0] else found[0], parser.format_help()).rstrip()


def optional_actions(parser: ArgumentParser) -> Iterator[Action]:
    """Return the settings that have a default, which the parser calls required all the same."""
    return (action for action in parser._actions if action.option_strings and action.default is not None)
