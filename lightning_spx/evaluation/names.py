"""Short names for methods and segmenters in tables, unique in their list."""

from collections.abc import Sequence
from dataclasses import Field, fields, is_dataclass, replace
from typing import TypeVar

from lightning_spx.attribution import Attribution

T = TypeVar("T")


def unique_names(items: Sequence[T]) -> dict[str, T]:
    """Name each item by its class, with the settings in which namesakes differ.

    Raises:
        ValueError: two items are equal.

    Example:
        >>> from lightning_spx.superpixels import Grid, Slic
        >>> list(unique_names([Slic(), Grid(16), Grid(64)]))
        ['Slic', 'Grid(n_segments=16)', 'Grid(n_segments=64)']
    """
    named: dict[str, T] = {}
    for item in items:
        namesakes = [other for other in items if type(other) is type(item)]
        name = type(item).__name__
        if len(namesakes) > 1 and is_dataclass(item):
            differing = [
                f"{field.name}={getattr(item, field.name)}"
                for field in fields(item)
                if any(getattr(other, field.name) != getattr(item, field.name) for other in namesakes)
            ]
            name = f"{name}({','.join(differing)})" if differing else name
        if name in named:
            raise ValueError(f"Expected different items in a list, got {name} twice.")
        named[name] = item
    return named


def reseed(method: Attribution, offset: int) -> Attribution:
    """Shift every seed in a method, its bases' too, so that two models never share their noise.

    Example:
        >>> from lightning_spx.attribution import SmoothGrad
        >>> reseed(SmoothGrad(seed=3), offset=2).seed
        5
    """
    # a method of the user's own need not be a dataclass
    settings: tuple[Field[object], ...] = fields(method) if is_dataclass(method) else ()
    changes: dict[str, object] = {}
    for field in settings:
        value = getattr(method, field.name)
        if field.name == "seed":
            changes["seed"] = value + offset
        elif isinstance(value, Attribution):
            changes[field.name] = reseed(value, offset)
    return replace(method, **changes) if is_dataclass(method) else method
