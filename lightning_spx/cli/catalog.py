"""Lists what there is: methods, super-pixels and metrics, with their papers.

The lists come from the docstrings in the rooms' source, read without importing it: `__all__` says which names are
public, the first sentence what a class is, and "Source:" where it comes from. So they are there at once, and no class
can be forgotten.
"""

import ast
import re
import shutil
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parents[1]
# the lists, with what `spx --help` says of them
LISTS = {
    "methods": "Attribution methods, for --methods.",
    "superpixels": "Super-pixel algorithms and filters, for --superpixels.",
    "metrics": "Metrics of saliency maps, for Python.",
}
ROOMS = {"methods": "attribution", "superpixels": "superpixels", "metrics": "metrics"}
# what is public and no item of a list: what the items derive from, results and helpers
NO_ITEMS = frozenset(
    {
        "Attribution",
        "ImageFilter",
        "ImageMean",
        "ImagePooling",
        "PathIntegral",
        "Perturbation",
        "Segmenter",
        "WithSegments",
    }
)
# a source is: authors, title, venue and year; equations and remarks follow
YEAR = re.compile(r"(?P<venue>[^,\"]*\b(?:19|20)\d\d)\b")
SHORTEST = 10


class Item(NamedTuple):
    """One entry of a list.

    Args:
        name: of the class.
        words: what it is, in one sentence.
        paper: authors, venue and year; empty without one.
    """

    name: str
    words: str
    paper: str


def listed(what: str) -> str:
    """Return a list as lines that fit the terminal; not cut if nobody looks at it.

    Args:
        what: `methods`, `superpixels` or `metrics`.
    """
    items = items_of(what)
    left = max(len(each.name) for each in items) + 2
    longest = max(left + len(each.words) + 2 + len(each.paper) for each in items)
    # papers end at the edge, and words are cut to what is left of a line
    width = min(longest, shutil.get_terminal_size().columns) if sys.stdout.isatty() else longest
    lines = []
    for each in items:
        space = width - left - (len(each.paper) + 2 if each.paper else 0)
        words = textwrap.shorten(each.words, max(SHORTEST, space), placeholder=" ...")
        lines.append(f"{each.name:<{left}}{words}{each.paper:>{width - left - len(words)}}".rstrip())
    return "\n".join(lines)


def items_of(what: str) -> list[Item]:
    """Return the entries of a list, by name.

    Args:
        what: `methods`, `superpixels` or `metrics`.

    Example:
        >>> [each.paper for each in items_of("superpixels") if each.name == "Watershed"]
        ['Neubert and Protzel, ICPR 2014']
    """
    room = PACKAGE / ROOMS[what]
    items = []
    for node in ast.parse((room / "__init__.py").read_text(encoding="utf-8")).body:
        # imports lie behind a condition if they are delayed
        for each in [node] if isinstance(node, ast.ImportFrom) else getattr(node, "body", []):
            if isinstance(each, ast.ImportFrom) and str(each.module).startswith("lightning_spx."):
                items += _items_in(PACKAGE.parent / f"{str(each.module).replace('.', '/')}.py", each.names)
    return sorted(items, key=lambda item: item.name.lower())


def _items_in(file: Path, names: list[ast.alias]) -> list[Item]:
    public = {alias.name for alias in names} - NO_ITEMS
    body = ast.parse(file.read_text(encoding="utf-8")).body
    functions = {node.name: ast.get_docstring(node) or "" for node in body if isinstance(node, ast.FunctionDef)}
    items = []
    for node in body:
        if isinstance(node, ast.ClassDef) and node.name in public:
            text = ast.get_docstring(node) or ""
            # what a metric means is said where its formula is: in the docstring of its function
            told = next((functions[each] for each in re.findall(r"`(\w+)`", text) if each in functions), text)
            inside = "For SegmentAttribution: " if any(_is(base, "Perturbation") for base in node.bases) else ""
            items.append(Item(node.name, f"{inside}{_first_sentence(told)}", paper_of(text)))
    return items


def _is(base: ast.expr, name: str) -> bool:
    return isinstance(base, ast.Name) and base.id == name


def _first_sentence(text: str) -> str:
    words = " ".join(text.partition("\n\n")[0].split()).partition(". ")[0].removesuffix(".").removeprefix("Return ")
    return f"{words[0].upper()}{words[1:]}"


def paper_of(text: str) -> str:
    """Return authors, venue and year of the paper that a docstring names after "Source:"; empty without one.

    Example:
        >>> paper_of("Source: Selvaraju et al., Grad-CAM, ICCV 2017, equations 1 and 2.")
        'Selvaraju et al., ICCV 2017'
    """
    source = " ".join(text.partition("Source:")[2].partition("\n\n")[0].split())
    authors, _, rest = source.partition(", ")
    found = YEAR.search(re.sub(r"\"[^\"]*\"", "", rest))
    return f"{authors}, {found['venue'].strip()}" if found else ""
