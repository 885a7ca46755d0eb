"""The reference of the public names: each has a docstring with an example, and the site is built without a warning."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

import lightning_spx

DOCS = Path(__file__).parents[1] / "docs"
# what users import; the rooms beside them hold the command line, and what a run leaves on disk
ROOMS = ("superpixels", "attribution", "metrics", "data", "formats", "models", "reporting", "evaluation", "guard")
PUBLIC = [
    (f"lightning_spx.{room}", name)
    for room in ROOMS
    for name in importlib.import_module(f"lightning_spx.{room}").__all__
]


def test_every_room_is_in_the_reference() -> None:
    package = Path(lightning_spx.__file__).parent
    assert {path.parent.name for path in package.glob("*/__init__.py")} == {*ROOMS, "cli", "runs"}
    assert {path.stem for path in (DOCS / "api").glob("*.md")} == {*ROOMS, "index"}


@pytest.mark.parametrize(("room", "name"), PUBLIC)
def test_every_public_name_has_a_docstring_with_an_example(room: str, name: str) -> None:
    public = getattr(importlib.import_module(room), name)
    if not (inspect.isclass(public) or inspect.isfunction(public)):
        assert "Literal" in repr(public) or repr(public).startswith("tuple[")  # an alias of types
        return
    said = vars(public)["__doc__"] if inspect.isclass(public) else public.__doc__  # its own, not its base's
    assert said
    assert ">>> " in said


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")  # MyST's own, of Sphinx
def test_the_site_is_built_without_a_warning_and_needs_no_network(tmp_path: Path) -> None:
    # as `make docs` builds it, in this process, where the package is imported already
    build_main = pytest.importorskip("sphinx.cmd.build").build_main
    site = tmp_path / "site"
    assert (
        build_main(["--fail-on-warning", "--quiet", f"--doctree-dir={tmp_path / 'doctrees'}", str(DOCS), str(site)])
        == 0
    )
    for room in ROOMS:
        reference = (site / "api" / f"{room}.html").read_text(encoding="utf-8")
        for name in importlib.import_module(f"lightning_spx.{room}").__all__:
            assert f'id="lightning_spx.{room}.{name}"' in reference, name
    for page in site.glob("**/*.html"):
        loaded = re.findall(
            r"<(?:script|img|iframe|source|link)\b[^>]*https?://[^>]*>", page.read_text(encoding="utf-8")
        )
        assert not loaded, page.name
    for style in site.glob("_static/**/*.css"):
        assert not re.search(r"@import|url\([\"']?(https?:)?//", style.read_text(encoding="utf-8")), style.name
    # the search reads this file by a script element, which works without a server
    assert "segment_pool" in (site / "searchindex.js").read_text(encoding="utf-8")
