"""The room that knows the stages and calls them in order: callbacks, and studies over several models."""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning_spx.evaluation.callbacks.saliency_evaluator import SaliencyEvaluator
    from lightning_spx.evaluation.callbacks.translation_grid import TranslationGrid
    from lightning_spx.evaluation.stability.command import stability

__all__ = ["SaliencyEvaluator", "TranslationGrid", "stability"]

# where each name is defined: its file is imported when the name is asked for, because `spx report` and `import` of this
# room need neither torch nor Lightning
_HOMES = {
    "SaliencyEvaluator": "callbacks.saliency_evaluator",
    "TranslationGrid": "callbacks.translation_grid",
    "stability": "stability.command",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

    def __dir__() -> list[str]:
        return [*globals(), *__all__]


class _Room(ModuleType):
    """This module, in which `stability` always is the function, and never the folder of that name."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name == "stability" and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Room
