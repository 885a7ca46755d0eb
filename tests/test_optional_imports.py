"""The library works where optional packages are not installed; only the command line needs one, jsonargparse."""

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
# asked for where numba is
COMPILED = (
    *("lightning_spx.metrics.pairs_compiled", "lightning_spx.metrics.ssim_compiled"),
    *("lightning_spx.metrics.ssim_segments", "lightning_spx.superpixels.compiled"),
    "lightning_spx.superpixels.pooling_compiled",
    *("lightning_spx.superpixels.bilateral_compiled", "lightning_spx.superpixels.guided_compiled"),
    "lightning_spx.superpixels.bilateral_pairs_compiled",
)

# Started with the modules to import as its words, the reporting room first; prints the error of each.
PROGRAM = """
import importlib, json, sys
from importlib.machinery import PathFinder

ABSENT = ("wandb", "jsonargparse", "timm", "captum", "safetensors", "numba", "transformers")

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

import torch
from lightning_spx.superpixels import Slic

segments = Slic(4)(torch.zeros(1, 3, 2, 2)).flatten().tolist()
metrics = open(logger.experiment.metrics_file_path).read()
print(json.dumps({"errors": errors, "metrics": metrics, "segments": segments}))
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What a fresh interpreter without the packages says of every module."""
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


@pytest.mark.parametrize("package", ["wandb", "jsonargparse", "timm", "captum", "safetensors", "numba", "transformers"])
def test_the_packages_are_absent_indeed(package: str, outcome: dict[str, object]) -> None:
    assert errors_of(outcome)[package] == f"No module named '{package}'"


def test_reporting_is_imported_without_wandb(outcome: dict[str, object]) -> None:
    assert errors_of(outcome)["lightning_spx.reporting"] == ""


@pytest.mark.parametrize("module", [name for name in MODULES if not name.startswith((CLI, *COMPILED))])
def test_every_other_module_is_imported_without_them(module: str, outcome: dict[str, object]) -> None:
    assert errors_of(outcome)[module] == ""


@pytest.mark.parametrize(
    ("module", "package"), [(f"{CLI}.commands", "jsonargparse"), *((module, "numba") for module in COMPILED)]
)
def test_what_needs_a_package_names_it(module: str, package: str, outcome: dict[str, object]) -> None:
    assert package in errors_of(outcome)[module]


def test_numbers_reach_a_logger_without_wandb(outcome: dict[str, object]) -> None:
    assert outcome["metrics"] == "stability/value,step\n0.25,0\n"


def test_superpixels_are_found_without_numba(outcome: dict[str, object]) -> None:
    assert outcome["segments"] == [0, 1, 2, 3]
