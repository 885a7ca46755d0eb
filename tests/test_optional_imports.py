"""The library works where wandb and jsonargparse are not installed; only the command line needs the latter."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import lightning_spx

PACKAGE = Path(lightning_spx.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
)
CLI = "lightning_spx.cli"

# Started with the modules to import as its words, the reporting room first; prints the error of each.
PROGRAM = """
import importlib, json, sys
from importlib.machinery import PathFinder

ABSENT = ("wandb", "jsonargparse")

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        return None if fullname.partition(".")[0] in ABSENT else super().find_spec(fullname, path, target)

    @classmethod
    def find_distributions(cls, *args, **kwargs):
        found = PathFinder.find_distributions(*args, **kwargs)
        return (each for each in found if each.metadata["Name"] not in ABSENT)

sys.meta_path = [Finder if finder is PathFinder else finder for finder in sys.meta_path]

errors = {}
for name in [*ABSENT, *sys.argv[1:]]:
    try:
        importlib.import_module(name)
        errors[name] = ""
    except ImportError as error:
        errors[name] = str(error)

from lightning.pytorch.loggers import CSVLogger
from matplotlib.figure import Figure
import pandas
from lightning_spx.reporting import finish, log_figure, log_scalars, log_table

logger = CSVLogger(".")
log_scalars([logger], {"stability/value": 0.25})
log_table([logger], "stability/results", pandas.DataFrame({"value": [0.25]}))
log_figure([logger], "stability/bars", Figure())
finish([logger])
print(json.dumps({"errors": errors, "metrics": open(logger.experiment.metrics_file_path).read()}))
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What a fresh interpreter without the two packages says of every module."""
    words = ["lightning_spx.reporting", *MODULES]
    paths = os.pathsep.join([str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        cwd=tmp_path_factory.mktemp("bare"),
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    parsed: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return parsed


def errors_of(outcome: dict[str, object]) -> dict[str, str]:
    errors = outcome["errors"]
    assert isinstance(errors, dict)
    return errors


def test_the_two_packages_are_absent_indeed(outcome: dict[str, object]) -> None:
    errors = errors_of(outcome)
    assert errors["wandb"] == "No module named 'wandb'"
    assert errors["jsonargparse"] == "No module named 'jsonargparse'"


def test_reporting_is_imported_without_wandb(outcome: dict[str, object]) -> None:
    assert errors_of(outcome)["lightning_spx.reporting"] == ""


@pytest.mark.parametrize("module", [name for name in MODULES if name != CLI])
def test_every_module_but_the_command_line_is_imported_without_them(module: str, outcome: dict[str, object]) -> None:
    assert errors_of(outcome)[module] == ""


def test_the_command_line_names_the_package_that_it_needs(outcome: dict[str, object]) -> None:
    assert "jsonargparse" in errors_of(outcome)[CLI]


def test_numbers_reach_a_logger_without_wandb(outcome: dict[str, object]) -> None:
    assert outcome["metrics"] == "stability/value,step\n0.25,0\n"
