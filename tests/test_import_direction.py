"""Imports go down the house only: cli -> evaluation -> the rooms of the middle floor -> the guard below them.

No room imports another, and two of them evaluate models: what guards a model is below both.
"""

import ast
from pathlib import Path

import pytest

import lightning_spx

PACKAGE = Path(lightning_spx.__file__).parent
ROOMS = ("superpixels", "attribution", "metrics", "data", "models", "reporting")
# what they evaluate or look into is a user's model
EVALUATING = ("attribution", "metrics", "models")


def allowed(room: str) -> set[str]:
    if room == "cli.py":
        return {"evaluation", *ROOMS}
    if room == "evaluation":
        return {"evaluation", "guard", *ROOMS}
    if room in EVALUATING:
        return {room, "guard"}
    return {room} if room in (*ROOMS, "guard") else set()


def imported_rooms(source: str) -> set[str]:
    rooms: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level:
            raise AssertionError(f"relative import in line {node.lineno}: write the full path")
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            if node.module == "lightning_spx":
                names = [f"lightning_spx.{alias.name}" for alias in node.names if alias.name != "__version__"]
            else:
                names = [node.module or ""]
        rooms |= {name.split(".")[1] for name in names if name.startswith("lightning_spx.")}
    return rooms


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0]
    assert imported_rooms(path.read_text()) <= allowed(room)


def test_a_sideways_import_is_seen() -> None:
    assert imported_rooms("from lightning_spx.metrics.ssim import saliency_ssim") - allowed("data") == {"metrics"}
    assert imported_rooms("import lightning_spx.evaluation") - allowed("metrics") == {"evaluation"}


def test_a_room_exports_what_it_names() -> None:
    for room in (*ROOMS, "evaluation", "guard"):
        module = __import__(f"lightning_spx.{room}", fromlist=["__all__"])
        for name in module.__all__:
            assert hasattr(module, name)
