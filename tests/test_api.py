"""The reference of the public names: each has a docstring with an example, and the pages are made without a warning."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import lightning_spx

# what users import; the rooms beside them hold the command line, and what a run leaves on disk
ROOMS = ("superpixels", "attribution", "metrics", "data", "models", "reporting", "evaluation", "guard")
PUBLIC = [
    (f"lightning_spx.{room}", name)
    for room in ROOMS
    for name in importlib.import_module(f"lightning_spx.{room}").__all__
]


def test_every_room_is_in_the_reference() -> None:
    package = Path(lightning_spx.__file__).parent
    assert {path.parent.name for path in package.glob("*/__init__.py")} == {*ROOMS, "cli", "runs"}
    makefile = (package.parent / "Makefile").read_text(encoding="utf-8")
    assert f"ROOMS := {' '.join(ROOMS)}\n" in makefile


@pytest.mark.parametrize(("room", "name"), PUBLIC)
def test_every_public_name_has_a_docstring_with_an_example(room: str, name: str) -> None:
    public = getattr(importlib.import_module(room), name)
    if not (inspect.isclass(public) or inspect.isfunction(public)):
        assert "Literal" in repr(public) or repr(public).startswith("tuple[")  # an alias of types
        return
    said = vars(public)["__doc__"] if inspect.isclass(public) else public.__doc__  # its own, not its base's
    assert said
    assert ">>> " in said


def test_the_page_of_every_room_shows_all_that_it_exports(tmp_path: Path) -> None:
    # as `make api` makes it
    # modules that have the name of a function of theirs would get pages of their own
    modules = [*(f"lightning_spx.{room}" for room in ROOMS), r"!lightning_spx\.\w+\.\w+"]
    words = [sys.executable, "-m", "pdoc", "--docformat=google", f"--output-directory={tmp_path}", *modules]
    made = subprocess.run(
        words, cwd=Path(lightning_spx.__file__).parents[1], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    assert "Warn" not in made.stderr, made.stderr
    for room in ROOMS:
        page = (tmp_path / "lightning_spx" / f"{room}.html").read_text(encoding="utf-8")
        for name in importlib.import_module(f"lightning_spx.{room}").__all__:
            assert f'id="{name}"' in page, name
