"""Copies of a module's weights, and a callback that notes those that score."""

from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

State = dict[str, Tensor]


def state_of(module: nn.Module) -> State:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


class Judge(Callback):
    """Notes the weights that score: between a step of validation or test and everything after it."""

    def __init__(self) -> None:
        self.states: list[State] = []

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: object) -> None:
        if not trainer.sanity_checking and rest[2] == 0:
            self.states.append(state_of(pl_module))

    def on_test_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: object) -> None:
        if rest[2] == 0:
            self.states.append(state_of(pl_module))
