"""The tests with the lowest versions that pyproject.toml admits, and with the newest that there are.

    python -m tests.soak.versions lowest|newest|both [--python 3.13]

Each session has an environment of its own in a temporary folder, one after the other, as one takes up to 8 GB. Left
out are the notebooks, the configurations, the page in a browser, tests in two processes and most of `tests/evaluation`:
many minutes for calls of libraries that the others make as well.
"""

import argparse
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
# of these, like of the package itself, the lowest versions are tested; tools of the tests are the newest in any case
EXTRAS = ("captum", "docs", "peers", "pretrained", "timm")
TESTS = (
    "lightning_spx",  # every docstring's example
    *(
        f"tests/{room}"
        for room in ("attribution", "superpixels", "metrics", "data", "models", "reporting", "runs", "inputs")
    ),
    *(
        f"tests/evaluation/{name}.py"
        for name in (
            "stability/test_command",
            "callbacks/test_saliency_evaluator",
            "commands/test_explain",
            "commands/test_report",
        )
    ),
    "tests/cli",
    *(f"tests/test_{name}.py" for name in ("optional_imports", "api", "determinism", "wandb_sweep")),
    "tests/soak/test_leaks.py",
)


def run(*words: str) -> None:
    """Run a command in the folder of the sources, and end where it fails."""
    subprocess.run(words, cwd=ROOT, check=True)


def install(python: Path, *words: str) -> None:
    """Install into the environment of an interpreter."""
    run(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python), *words)


def lowest_bounds(pyproject: str) -> dict[str, Version]:
    """Return the lower bound of every dependency that users may have, by name.

    Example:
        >>> lowest_bounds("project = {dependencies = ['Torch>=2.6'], optional-dependencies = {dev = ['ruff>=1']}}")
        {'torch': <Version('2.6')>}
    """
    project = tomllib.loads(pyproject)["project"]
    extras = [project["optional-dependencies"].get(extra, []) for extra in EXTRAS]
    requirements = [Requirement(line) for lines in (project["dependencies"], *extras) for line in lines]
    return {
        canonicalize_name(requirement.name): Version(bound.version)
        for requirement in requirements
        for bound in requirement.specifier
        if bound.operator == ">="
    }


def installed_versions(python: Path) -> dict[str, Version]:
    """Return the version of every package in the environment of an interpreter, by name."""
    words = [sys.executable, "-m", "uv", "pip", "list", "--format=json", "--python", str(python)]
    listed = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    return {canonicalize_name(each["name"]): Version(each["version"]) for each in listed}


def session(kind: str, interpreter: str, folder: Path) -> None:
    """Make one environment, say what is in it, and run the tests there.

    Raises:
        RuntimeError: a bound could not be installed, so that the session would not test it.
    """
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "uv", "venv", "--quiet", "--python", interpreter, str(folder))
    package = f".[{','.join(EXTRAS)}]"
    install(python, f"--resolution={'lowest-direct' if kind == 'lowest' else 'highest'}", package)
    install(python, ".[dev]")
    bounds, installed = lowest_bounds((ROOT / "pyproject.toml").read_text()), installed_versions(python)
    print(f"{kind} versions:", *(f"{name} {installed[name]}" for name in bounds), sep="\n  ", flush=True)
    above = [name for name, bound in bounds.items() if installed[name] != bound]
    if kind == "lowest" and above:
        raise RuntimeError(f"Expected {', '.join(above)} at their lower bounds: raise these to what was installed.")
    tests = [path for path in TESTS if (ROOT / path).exists()]
    os.environ["OMP_NUM_THREADS"] = "1"
    # the profile without deadlines: two processes on two cores keep each other waiting
    words = ["-q", "--numprocesses=2", "--dist=worksteal", "--hypothesis-profile=ci", "-p", "no:cacheprovider"]
    run(str(python), "-m", "pytest", *words, "-k", "not two_processes", *tests)


def main() -> None:
    """Run the sessions that the command line names; the first that fails ends it."""
    parser = argparse.ArgumentParser(description="The tests with other versions of what the package needs.")
    parser.add_argument("kind", choices=["lowest", "newest", "both"])
    parser.add_argument("--python", default=sys.executable, help="another interpreter, a path or a version")
    words = parser.parse_args()
    for kind in ("lowest", "newest") if words.kind == "both" else (words.kind,):
        with TemporaryDirectory(prefix=f"spx-{kind}-") as folder:
            session(kind, words.python, Path(folder))


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {error}")
