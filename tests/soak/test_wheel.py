"""The built wheel in an environment that has nothing else: no sources beside it, none of the extras."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.command_line import STABILITY

ROOT = Path(__file__).parents[2]
IMPORT_ALL = """
import importlib, pathlib, lightning_spx
rooms = sorted(path.parent.name for path in pathlib.Path(lightning_spx.__file__).parent.glob("*/__init__.py"))
count = 0
for room in rooms:
    module = importlib.import_module(f"lightning_spx.{room}")
    count += sum(getattr(module, name) is not None for name in module.__all__)
print(lightning_spx.__file__, len(rooms), count)
"""
ABSENT = """
import importlib.util
print([name for name in ("captum", "pytest", "timm") if importlib.util.find_spec(name)])
"""

pytestmark = pytest.mark.soak


def run(folder: Path, *words: str | Path) -> str:
    """Run a command in a folder, without what the tests' own Python finds, and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of these sources."""
    folder = tmp_path_factory.mktemp("dist")
    run(ROOT, sys.executable, "-m", "uv", "build", "--quiet", "--wheel", f"--out-dir={folder}", ".")
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of an environment with the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("environment") / "bare"
    run(ROOT, sys.executable, "-m", "uv", "venv", "--quiet", f"--python={sys.executable}", folder)
    python = folder / "bin" / "python"
    run(ROOT, sys.executable, "-m", "uv", "pip", "install", "--quiet", f"--python={python}", wheel)
    return python.parent


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    files = [path for path in (ROOT / "lightning_spx").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    sources = {path.relative_to(ROOT).as_posix() for path in files}
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == sources
    assert {"py.typed", "page.css", "page.html", "page.js"} <= {Path(name).name for name in held}


def test_every_public_name_is_imported_without_the_extras(bin_folder: Path, tmp_path: Path) -> None:
    assert run(tmp_path, bin_folder / "python", "-c", ABSENT).strip() == "[]"
    where, rooms, count = run(tmp_path, bin_folder / "python", "-c", IMPORT_ALL).split()
    assert Path(where).is_relative_to(bin_folder.parent)
    assert int(rooms) == 7
    assert int(count) > 100


def test_spx_lists_its_commands(bin_folder: Path, tmp_path: Path) -> None:
    text = run(tmp_path, bin_folder / "spx", "--help")
    for command in ("stability", "tradeoff", "roar", "explain", "segment", "bench", "report", "fit"):
        assert f"\n  {command} " in text


def test_a_study_runs_in_an_empty_folder_and_is_reported(bin_folder: Path, tmp_path: Path) -> None:
    printed = run(tmp_path, bin_folder / "spx", *STABILITY, "--out=run")
    assert printed.splitlines()[-1] == "results: run"
    run(tmp_path, bin_folder / "spx", "report", "run")
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "S-Gradient" in page
    assert "<style" in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_a_photo_is_segmented(bin_folder: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    run(tmp_path, bin_folder / "spx", "segment", "photo.png", "--image_size=32", "--repeats=1", "--out=parts")
    with np.load(tmp_path / "parts" / "segments.npz") as labels:
        assert sorted(labels) == ["Felzenszwalb", "Grid", "Quickshift", "Slic", "Voronoi", "Watershed"]
        assert all(maps.shape == (1, 32, 32) for maps in labels.values())
    assert (tmp_path / "parts" / "partitions_page01.png").stat().st_size > 1000
