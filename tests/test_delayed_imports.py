"""Rooms that import what is asked for: each public name leads to where a type checker finds it."""

import ast
import importlib
from pathlib import Path

import pytest

ROOMS = ["reporting", "evaluation"]


@pytest.mark.parametrize("room", ROOMS)
def test_names_are_found_where_type_checkers_see_them(room: str) -> None:
    module = importlib.import_module(f"lightning_spx.{room}")
    tree = ast.parse(Path(str(module.__file__)).read_text())
    (checked,) = (node for node in tree.body if isinstance(node, ast.If) and isinstance(node.test, ast.Name))
    homes = {
        alias.name: str(node.module)
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(homes) == sorted(module.__all__)
    for name, home in homes.items():
        assert getattr(module, name) is getattr(importlib.import_module(home), name)
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        _ = module.absent


def test_stability_is_the_function_and_never_its_folder() -> None:
    importlib.import_module("lightning_spx.evaluation.stability.study")
    from lightning_spx.evaluation import stability

    assert callable(stability)
