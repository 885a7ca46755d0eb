"""Imports go down the house only, between its rooms and inside `evaluation/`.

Outer walls: cli -> evaluation -> the ground rooms -> the guard below them. No ground room imports another; those that
evaluate or look into a user's model do so through the guard. `attribution` may import `superpixels` as well, because
some of its methods explain by segments. `formats`, which reads files of other tools, lies below `data` and
`superpixels`.

Inner walls, in `evaluation/`: callbacks and studies and commands -> statistics -> maps; the same -> trials -> maps and
training; and all of them -> publish. None imports its neighbor.
"""

import ast
from pathlib import Path

import pytest

import lightning_spx

PACKAGE = Path(lightning_spx.__file__).parent
GROUND = ("superpixels", "attribution", "metrics", "data", "models", "reporting", "runs")
# these evaluate or look into a user's model, or ask what values loops may read
ON_THE_GUARD = ("attribution", "metrics", "models", "superpixels")
STUDIES = ("callbacks", "stability", "tradeoff", "ensemble", "roar", "benchmark", "commands")
# each floor of `evaluation/` may import those that follow it
BELOW_STUDIES = {"statistics", "trials", "maps", "training", "publish"}
INSIDE = {
    **{room: {room, *BELOW_STUDIES} for room in STUDIES},
    "statistics": {"statistics", "maps"},
    "trials": {"trials", "maps", "training"},
    "maps": {"maps"},
    "training": {"training"},
    "publish": set[str](),
    # what the room shows to the outside
    "": {"callbacks", "stability"},
}


def allowed(room: str) -> set[str]:
    if room == "cli":
        return {"cli", "evaluation", "formats", *GROUND}
    if room == "evaluation":
        return {"evaluation", "guard", "formats", *GROUND}
    if room == "attribution":
        return {room, "guard", "superpixels"}
    if room == "superpixels":
        return {room, "guard", "formats"}
    if room in ON_THE_GUARD:
        return {room, "guard"}
    if room == "data":
        return {room, "formats"}
    return {room} if room in (*GROUND, "guard", "formats") else set()


def imported(source: str) -> list[str]:
    """Every module of the package that a source names in an import, with its full path."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level:
            raise AssertionError(f"relative import in line {node.lineno}: write the full path")
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module in ("lightning_spx", "lightning_spx.evaluation"):
            names += [f"{node.module}.{alias.name}" for alias in node.names if alias.name != "__version__"]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    return [name for name in names if name.startswith("lightning_spx.")]


def imported_rooms(source: str) -> set[str]:
    return {name.split(".")[1] for name in imported(source)}


def imported_inside(source: str) -> set[str]:
    """The rooms of `evaluation/` that a source imports."""
    return {name.split(".")[2] for name in imported(source) if name.startswith("lightning_spx.evaluation.")}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0]
    assert imported_rooms(path.read_text()) <= allowed(room)


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "evaluation").rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_imports_go_down_inside_evaluation(path: Path) -> None:
    parts = path.relative_to(PACKAGE / "evaluation").with_suffix("").parts
    room = "" if parts == ("__init__",) else parts[0]
    assert imported_inside(path.read_text()) <= INSIDE[room]


def test_evaluation_has_no_loose_file() -> None:
    assert {path.name for path in (PACKAGE / "evaluation").glob("*.py")} == {"__init__.py", "publish.py"}
    assert {path.name for path in (PACKAGE / "evaluation").iterdir() if (path / "__init__.py").is_file()} == {
        *INSIDE.keys() - {"", "publish"}
    }


def test_a_sideways_import_is_seen() -> None:
    assert imported_rooms("from lightning_spx.metrics.ssim import saliency_ssim") - allowed("data") == {"metrics"}
    assert imported_rooms("import lightning_spx.evaluation.maps") - allowed("metrics") == {"evaluation"}
    sideways = "from lightning_spx.evaluation.roar import roar"
    assert imported_inside(sideways) - INSIDE["tradeoff"] == {"roar"}
    assert imported_inside("from lightning_spx.evaluation import stability") - INSIDE["maps"] == {"stability"}


def test_a_room_exports_what_it_names() -> None:
    for room in (*GROUND, "cli", "evaluation", "guard"):
        module = __import__(f"lightning_spx.{room}", fromlist=["__all__"])
        for name in getattr(module, "__all__", ()):
            assert hasattr(module, name)
