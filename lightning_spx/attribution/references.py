"""Gives every method that compares an image with others its references, wherever it stands inside another method."""

from collections.abc import Callable
from dataclasses import Field, fields, is_dataclass, replace

from torch import Tensor

from lightning_spx.attribution.expected import ExpectedGradients
from lightning_spx.attribution.method import Attribution


def with_references(method: Attribution, draw: Callable[[int, int], Tensor]) -> Attribution:
    """Return a method with references where it and its bases need some and have none.

    Args:
        method: Any method; one that needs none is returned as it is.
        draw: Returns `(B, C, H, W)` images, given a method's `num_references` and `seed`; called only if needed.

    Example:
        >>> import torch
        >>> from lightning_spx.attribution import SmoothGrad
        >>> method = with_references(SmoothGrad(ExpectedGradients()), lambda number, seed: torch.zeros(number, 3, 8, 8))
        >>> method.base.references.shape
        torch.Size([100, 3, 8, 8])
    """
    if isinstance(method, ExpectedGradients):
        needs = method.references is None
        return method.with_references(draw(method.num_references, method.seed)) if needs else method
    # a user's own method need not be a dataclass
    settings: tuple[Field[object], ...] = fields(method) if is_dataclass(method) else ()
    changes: dict[str, object] = {}
    for field in settings:
        base = getattr(method, field.name)
        given: object = base
        if isinstance(base, Attribution):
            given = with_references(base, draw)
        elif isinstance(base, tuple):
            several = tuple(with_references(each, draw) if isinstance(each, Attribution) else each for each in base)
            given = several if any(a is not b for a, b in zip(several, base, strict=True)) else base
        if given is not base:
            changes[field.name] = given
    return replace(method, **changes) if changes and is_dataclass(method) else method
