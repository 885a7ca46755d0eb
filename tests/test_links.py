"""Every relative link of the README and the pages leads to a file, and to a heading of it where it names one."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG")] + sorted(ROOT.glob("docs/**/*.md"))
CODE = re.compile(r"^ *(```|~~~).*?^ *\1 *$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
INCLUDED = re.compile(r"^```\{include\} (\S+)$", re.MULTILINE)
LISTED = re.compile(r"^```\{toctree\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def links(page: Path) -> Iterator[re.Match[str]]:
    """Find the links of a page outside its code."""
    return LINK.finditer(CODE.sub("`", page.read_text(encoding="utf-8")))


def headings(page: Path) -> set[str]:
    """Name the headings of a page, and of what it includes, as GitHub and the site do."""
    text = page.read_text(encoding="utf-8")
    found = set().union(*(headings(page.parent / path) for path in INCLUDED.findall(text)))
    for heading in re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    ):
        found.add(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, heading = link[3].partition("#")
        if path.startswith("https://"):
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), link[0]
        assert target.is_file(), link[0]
        assert not heading or heading in headings(target), link[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pictures_have_words(page: Path) -> None:
    assert all(link[2] for link in links(page) if link[1])


def test_every_page_is_in_the_menu() -> None:
    docs = ROOT / "docs"
    listed = {"index"}
    for menu in (docs / "index.md", docs / "api" / "index.md"):
        for entries in LISTED.findall(menu.read_text(encoding="utf-8")):
            names = [line for line in entries.splitlines() if line and not line.startswith(":")]
            listed |= {(menu.parent / name).relative_to(docs).as_posix() for name in names}
    assert listed == {page.relative_to(docs).with_suffix("").as_posix() for page in docs.glob("**/*.md")}


def test_every_picture_is_shown() -> None:
    shown = {(page.parent / link[3]).resolve() for page in PAGES for link in links(page) if link[1]}
    assert shown == set((ROOT / "docs" / "images").iterdir())


def test_the_readme_is_one_short_page() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    assert "make demo" in text
    assert "make check" in text
