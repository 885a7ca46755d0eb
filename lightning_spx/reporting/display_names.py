"""Gives methods and segmenters short names for tables, unique in their list."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import TypeVar

T = TypeVar("T")


def unique_names(items: Sequence[T]) -> dict[str, T]:
    """Name each item by its class, and add the settings in which items of the same name differ.

    A class whose attribute `named_by` names one of its settings has the name of that setting's class.

    Raises:
        ValueError: two items are equal.

    Example:
        >>> from lightning_spx.attribution import Gradient, SmoothGrad
        >>> from lightning_spx.superpixels import Grid, Slic
        >>> list(unique_names([Slic(), Grid(16), Grid(64)]))
        ['Slic', 'Grid(n_segments=16)', 'Grid(n_segments=64)']
        >>> list(unique_names([SmoothGrad(), SmoothGrad(Gradient(precision="bf16"))]))
        ['SmoothGrad(base=Gradient(precision=fp32))', 'SmoothGrad(base=Gradient(precision=bf16))']
    """
    named: dict[str, T] = {}
    for item in items:
        name = _told_apart(item, items)
        if name in named:
            raise ValueError(f"Expected different items in a list, got {name} twice.")
        named[name] = item
    return named


def _told_apart(item: object, among: Sequence[object]) -> str:
    """Return an object's name, with the settings in which objects of the same name differ from it."""
    namesakes = [other for other in among if type(other) is type(item) and _name(other) == _name(item)]
    differing = _differing(item, namesakes)
    return f"{_name(item)}({','.join(differing)})" if differing else _name(item)


def _name(item: object) -> str:
    named_by = getattr(item, "named_by", None)
    return _name(getattr(item, named_by)) if named_by else type(item).__name__


def _differing(item: object, namesakes: Sequence[object]) -> list[str]:
    differing: list[str] = []
    for field in fields(item) if is_dataclass(item) else ():
        own, values = getattr(item, field.name), [getattr(other, field.name) for other in namesakes]
        if all(value == own for value in values):
            continue
        if field.name == getattr(item, "named_by", None):
            # the settings of what has the item's name follow that name
            differing += _differing(own, values)
        else:
            differing.append(f"{field.name}={_said(own, values)}")
    return differing


def _said(own: object, values: Sequence[object]) -> str:
    """Write a setting, or the objects that it holds with what tells them from all others."""
    if isinstance(own, tuple) and any(is_dataclass(each) for each in own):
        every = [each for value in values if isinstance(value, tuple) for each in value]
        return "+".join(_told_apart(each, every) for each in own)
    if is_dataclass(own):
        return _told_apart(own, values)
    # without words of its own, an object would be told by its place in memory, which changes
    return type(own).__name__ if type(own).__repr__ is object.__repr__ else str(own)
