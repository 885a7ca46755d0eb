"""Finds networks that a module holds without registering them, so that its state and layers do not contain them."""

from torch import nn

from lightning_spx.guard.kept_state import KeptState


def hidden_modules(model: nn.Module) -> list[nn.Module]:
    """Return modules with parameters that a model holds in lists, dicts and objects but not among its modules.

    Example:
        >>> class Hiding(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.teachers = [nn.Linear(1, 1)]
        >>> hidden_modules(Hiding())
        [Linear(in_features=1, out_features=1, bias=True)]
    """
    registered = {id(part) for part in model.modules()}
    with KeptState([model]) as kept:
        found = [part for part in kept.modules if id(part) not in registered]
    return [part for part in found if next(part.parameters(recurse=False), None) is not None]
