"""Time the command line beside another checkout: `python -m tests.benchmarks.startup OTHER [turns]`.

OTHER is the folder of another checkout. Each command is a process of its own, once with each checkout in turns, so that
what else the machine does hits both; printed are medians of the processor time, user and system, and of the ratios. A
study is made before that, with this checkout, for the commands that need a finished one.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parents[2]
SPX = ("-m", "lightning_spx.cli")
STUDY = (
    *(*SPX, "stability", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--out=run"),
    *("--data.num_train=60", "--data.num_test=60", "--num_images=40", "--num_resamples=500"),
    "--trainer.max_epochs=1",
)
BASE = "import torch, lightning"
COMMANDS: dict[str, tuple[str, ...]] = {
    "spx --help": (*SPX, "--help"),
    "a mistyped command": (*SPX, "stabilty"),
    "spx stability --help": (*SPX, "stability", "--help"),
    "spx explain --help": (*SPX, "explain", "--help"),
    "spx report RUN": (*SPX, "report", "run"),
    "a finished study again": STUDY,
    BASE: ("-c", BASE),
    "import lightning_spx.evaluation": ("-c", f"{BASE}, lightning_spx.evaluation"),
    "SaliencyEvaluator": ("-c", f"{BASE}; from lightning_spx.evaluation import SaliencyEvaluator"),
}


def seconds(checkout: Path, words: tuple[str, ...], folder: Path) -> float:
    """Processor time of one process; its exit code does not matter, because a mistyped command has another."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(other: Path, turns: int) -> None:
    """Print a line for each command."""
    with tempfile.TemporaryDirectory() as place:
        folders = {checkout: Path(place) / name for checkout, name in ((HERE, "own"), (other, "other"))}
        for checkout, folder in folders.items():
            folder.mkdir()
            # each has its own, as it would write it
            seconds(checkout, STUDY, folder)
            if not (folder / "run" / "results.csv").is_file():
                raise RuntimeError(f"Expected a finished study of {checkout}, got none: start it by hand to see why.")
        found: dict[str, dict[Path, list[float]]] = {name: {HERE: [], other: []} for name in COMMANDS}
        for turn in range(turns):
            for name, words in COMMANDS.items():
                # who comes first changes, too
                for checkout in (HERE, other) if turn % 2 == 0 else (other, HERE):
                    found[name][checkout].append(seconds(checkout, words, folders[checkout]))
        shutil.rmtree(place, ignore_errors=True)
    print(f"processor time in seconds, medians of {turns} turns: this checkout, the other, ratio")
    for name, taken in found.items():
        pairs = list(zip(taken[HERE], taken[other], strict=True))
        own, others = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(one / two for one, two in pairs)
        beyond = [one - base for one, base in zip(taken[HERE], found[BASE][HERE], strict=True)]
        more = f", {statistics.median(beyond):+.2f} s beyond {BASE}" if BASE in COMMANDS[name][-1] else ""
        print(f"{name:<32} {own:7.2f} {others:7.2f} {ratio:7.3f}{more}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("Expected the folder of another checkout.")
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
