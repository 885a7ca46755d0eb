"""Gives each model of a study its own noise by shifting every seed inside a method."""

from dataclasses import Field, fields, is_dataclass, replace
from typing import TypeVar

from lightning_spx.attribution.method import Attribution
from lightning_spx.attribution.perturbation import Perturbation

Seeded = TypeVar("Seeded", bound=Attribution | Perturbation)


def is_random(method: Attribution) -> bool | None:
    """Return whether a method draws random numbers, which it does if it has a seed; None if nobody knows.

    Example:
        >>> from lightning_spx.attribution import Gradient, SmoothGrad
        >>> is_random(Gradient()), is_random(SmoothGrad())
        (False, True)
    """
    # a user's own method that is no dataclass may have seeds that it does not show
    return reseed(method, 1) != method if is_dataclass(method) else None


def reseed(method: Seeded, offset: int) -> Seeded:
    """Shift every seed in a method, in its bases and in tuples of them, so that two models never share their noise.

    The seed of a segmenter stays, because all models are explained over the same segments.

    Example:
        >>> from lightning_spx.attribution import SmoothGrad
        >>> reseed(SmoothGrad(seed=3), offset=2).seed
        5
    """
    # a user's own method need not be a dataclass
    settings: tuple[Field[object], ...] = fields(method) if is_dataclass(method) else ()
    changes: dict[str, object] = {}
    for field in settings:
        value = getattr(method, field.name)
        # captum methods that draw nothing have no seed
        if field.name == "seed" and value is not None:
            changes["seed"] = value + offset
        elif isinstance(value, Attribution | Perturbation):
            changes[field.name] = reseed(value, offset)
        elif isinstance(value, tuple):
            changes[field.name] = tuple(
                reseed(each, offset) if isinstance(each, Attribution) else each for each in value
            )
    return replace(method, **changes) if is_dataclass(method) else method
