"""Settings of the documentation site, which `make docs` builds with Sphinx."""

import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import lightning_spx

project = "lightning_spx"
copyright = "the authors of lightning_spx"
release = lightning_spx.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
# links to headings have the names that GitHub gives them
myst_heading_anchors = 4
# docstrings write code between single backticks
default_role = "code"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = project
html_copy_source = False
# a summary of each page found would have to be fetched, which browsers refuse for files
html_show_search_summary = False
html_show_sphinx = False

# where the site has the files outside this folder that pages link to
ELSEWHERE = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "README.md": "index.md"}


def place_links(app: Sphinx, path: Path, parent: str, content: list[str]) -> None:
    """Turn links of an included file, which begin at the repository's root, into links that begin here."""

    def placed(found: re.Match[str]) -> str:
        target, anchor = found[1], found[2] or ""
        inside = ELSEWHERE.get(target) or (
            target.removeprefix("docs/") if target.startswith("docs/") else f"../{target}"
        )
        return f"]({inside}{anchor})"

    content[0] = re.sub(r"\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)", placed, content[0])


def link_to_room(app: Sphinx, env: BuildEnvironment, node: nodes.Element, text: nodes.Element) -> nodes.Element | None:
    """Link a public name by the room that exports it, in the place of the module that defines it."""
    parts = str(node.get("reftarget", "")).split(".")
    if node.get("refdomain") != "py" or len(parts) < 4 or parts[0] != project:
        return None
    target = ".".join([*parts[:2], parts[-1]])
    domain = env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], target, node, text)


def name_public_bases(app: Sphinx, name: str, documented: type, options: object, bases: list[object]) -> None:
    """Show the nearest public base of a class in the place of a private one."""
    for place, base in enumerate(bases):
        # a base with parameters, such as Dataset[Sample], is no class
        if isinstance(base, type):
            bases[place] = next(kin for kin in base.__mro__ if not kin.__name__.startswith("_"))


def setup(app: Sphinx) -> None:
    """Connect the functions above."""
    app.connect("autodoc-process-bases", name_public_bases)
    app.connect("include-read", place_links)
    app.connect("missing-reference", link_to_room)
