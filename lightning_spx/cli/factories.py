"""Turns parsed settings into functions that build models and Trainers, of which a study makes one after the other."""

from collections.abc import Callable
from typing import Any

from jsonargparse import ArgumentParser, Namespace


def factory(parser: ArgumentParser, settings: Namespace, key: str) -> Callable[[], Any]:
    """Return a function that builds one part of parsed settings, anew at each call."""
    own = settings.clone()
    for other in vars(settings).keys() - {key}:
        del own[other]
    return lambda: parser.instantiate(own.clone())[key]


def factory_of_architecture(parser: ArgumentParser, settings: Namespace, architecture: Namespace) -> Callable[[], Any]:
    """Return a function that builds one of the parsed `architectures`, anew at each call, and none of the others."""
    own = settings.clone()
    own["architectures"] = [architecture]
    make = factory(parser, own, "architectures")
    return lambda: make()[0]
