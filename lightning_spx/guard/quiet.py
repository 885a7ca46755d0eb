"""Discards what a LightningModule logs while it is explained."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers.logger import DummyLogger
from torch import nn


@contextmanager
def quiet(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Disable `self.log`, `self.log_dict` and the loggers of LightningModules.

    Otherwise, what `forward` logs during an explanation would be averaged with the user's numbers, and would end the
    run in hooks in which Lightning forbids logging.

    Args:
        modules: the evaluated modules; those that are not LightningModules are skipped.

    Example:
        >>> module = LightningModule()
        >>> with quiet([module]):
        ...     module.log("loss", 1.0)
    """
    own = [module for module in modules if isinstance(module, LightningModule)]
    trainers = {id(trainer): trainer for module in own if (trainer := _trainer(module)) is not None}
    loggers = [(trainer, trainer.loggers) for trainer in trainers.values()]
    for module in own:
        # an attribute of the object hides the method of its class and belongs to no state
        vars(module).update(log=_nothing, log_dict=_nothing)
    try:
        for trainer, given in loggers:
            trainer.loggers = [DummyLogger() for _ in given]
        yield
    finally:
        for trainer, given in loggers:
            trainer.loggers = given
        for module in own:
            for name in ("log", "log_dict"):
                vars(module).pop(name, None)


def _trainer(module: LightningModule) -> Trainer | None:
    trainer = vars(module).get("_trainer")
    return trainer if isinstance(trainer, Trainer) else None


def _nothing(*_: object, **__: object) -> None:
    """Accept the arguments of `log` and `log_dict`."""
