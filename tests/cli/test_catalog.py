"""Lists of what there is: complete, and each entry with the paper that its docstring names."""

import inspect

import pytest

from lightning_spx import attribution, metrics, superpixels
from lightning_spx.attribution import Attribution
from lightning_spx.cli.catalog import LISTS, NO_ITEMS, items_of, listed
from lightning_spx.superpixels import Segmenter
from tests.command_line import Captured, printed

# what is this package's own, or a tool
WITHOUT_PAPER = {"SegmentAttribution", "Cached", "Grid", "Precomputed", "Voronoi", "FidelityError"}


@pytest.mark.parametrize(
    ("what", "room"), [("methods", attribution), ("superpixels", superpixels), ("metrics", metrics)], ids=list(LISTS)
)
def test_a_list_holds_every_public_class(what: str, room: object) -> None:
    names = getattr(room, "__all__")  # noqa: B009
    classes = {name for name in names if inspect.isclass(getattr(room, name))}
    items = {each.name: each for each in items_of(what)}
    assert items.keys() == classes - NO_ITEMS
    assert {name for name, each in items.items() if not each.paper} == items.keys() & WITHOUT_PAPER
    for each in items.values():
        assert each.words
        assert not each.paper or each.paper[-4:].isdigit()


def test_what_is_left_out_is_no_method_and_no_algorithm() -> None:
    for room, base in ((attribution, Attribution), (superpixels, Segmenter)):
        for name in NO_ITEMS & set(room.__all__):
            found = getattr(room, name)
            assert found is base or not issubclass(found, base)


def test_a_list_is_printed_one_line_each(capsys: Captured) -> None:
    lines = printed(capsys, ["methods"]).splitlines()
    assert len(lines) == len(items_of("methods"))
    assert next(line for line in lines if line.startswith("GradCAM ")).endswith("Selvaraju et al., ICCV 2017")


def test_a_list_fits_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    for what in LISTS:
        assert max(map(len, listed(what).splitlines())) <= 80
