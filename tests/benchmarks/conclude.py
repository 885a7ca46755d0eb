"""Time the end of a study, after the last comparison: `python -m tests.benchmarks.conclude [images] [methods]`.

Values of a study of eight models are made up and written: 28 pairs, eleven poolings, SSIM, top-k overlap and two
distances. Printed are the processor seconds of what follows: `results.csv`, the answer with figures and tables, and the
page of `spx report`. Modules are found by the names that they have or had, so that older checkouts can run it too.
"""

import contextlib
import importlib
import io
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from numpy.typing import NDArray

MODELS, SHARD, NUM_RESAMPLES = 8, 64, 2000
METHODS = ("Gradient", "SmoothGrad", "IntegratedGradients", "InputXGradient")
CONTROLS = tuple(f"control:{kind}(Slic)" for kind in ("grid", "voronoi", "borrowed", "blur"))
POOLINGS = [("pixel", "either"), *((name, order) for name in ("Slic", *CONTROLS) for order in ("after", "before"))]
NUMBERS = [
    ("saliency_ssim", ""),
    ("topk_overlap", "k=0.1"),
    ("distance", "distance=l2"),
    ("distance", "distance=spearman"),
]
STUDY = "a study"


def module(*names: str) -> Any:  # noqa: ANN401
    """Import the first module that a checkout has."""
    for name in names:
        with contextlib.suppress(ModuleNotFoundError):
            return importlib.import_module(f"lightning_spx.{name}")
    raise ModuleNotFoundError(f"Expected one of {names}, got a checkout without.")


def values_of(positions: NDArray[np.int64], method: str, draw: np.random.Generator) -> pd.DataFrame:
    """Make values of some images, with effects of images, models and poolings."""
    pairs = np.array(list(combinations(range(MODELS), 2)))
    count, shape = len(positions), (len(POOLINGS), len(pairs), len(NUMBERS), len(positions))
    of_image, of_model = draw.normal(0, 0.1, count), np.linspace(-0.1, 0.1, MODELS)
    right = draw.random((MODELS, count)) < 0.8
    first, second = right[pairs[:, 0]][:, None], right[pairs[:, 1]][:, None]
    level = of_image + of_model[pairs].sum(1)[:, None, None] + draw.normal(0.3, 0.1, shape)
    level += 0.02 * np.arange(len(POOLINGS))[:, None, None, None] - 0.1 * (first & second)
    mismatched = of_image / 2 + draw.normal(0.1, 0.05, shape)
    words = {
        "pair": np.array([f"{one}-{two}" for one, two in pairs])[:, None, None],
        "superpixels": np.array([name for name, _ in POOLINGS])[:, None, None, None],
        "magnitude": np.array([order for _, order in POOLINGS])[:, None, None, None],
        "metric": np.array([metric for metric, _ in NUMBERS])[:, None],
        "setting": np.array([setting for _, setting in NUMBERS])[:, None],
    }
    values = {
        "index": positions,
        "agree": first & second,
        "differ": first ^ second,
        "same": first == second,
        "num_segments": draw.integers(150, 200, count),
        "constant": draw.random(shape) < 0.001,
        "value": level.clip(0, 1),
        "permuted": draw.normal(0.05, 0.01, shape).clip(0, 1),
        "mismatched": mismatched.clip(0, 1),
        "ceiling": np.ones(1) if method == "Gradient" else (level + 0.3).clip(0, 1),
    }
    columns = {name: np.broadcast_to(value, shape).ravel() for name, value in {**words, **values}.items()}
    return pd.DataFrame(columns).assign(method=method, repeat=0, plan="")


def main(num_images: int = 1000, num_methods: int = 2) -> None:
    """Print the seconds of each stage, and the largest resident memory."""
    torch.set_num_threads(1)
    pa.set_cpu_count(1)
    with tempfile.TemporaryDirectory() as place:
        study = made_study(Path(place), num_images, METHODS[:num_methods])
        seconds = timed(study)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    stages = ", ".join(f"{stage} {taken:.1f}" for stage, taken in seconds.items())
    print(f"{num_images} images, {num_methods} methods: {sum(seconds.values()):.1f} s ({stages}), peak {peak:.2f} GiB")


def made_study(folder: Path, num_images: int, methods: Sequence[str]) -> SimpleNamespace:
    """Write the values of a study, and return what its end asks of it."""
    blocks, folders = module("runs.blocks", "evaluation.blocks"), module("runs.folder", "evaluation.run_folder")
    run = folders.open_run_folder(folder, {"seed": 0, "num_images": num_images})
    record = module("runs.record", "evaluation.provenance").RunRecord.open(run, {"seed": 0, "splits": []})
    record.content["models"] = {f"part{number}": {"network": "Net", "test_accuracy": 0.8} for number in range(MODELS)}
    draw = np.random.default_rng(0)
    shards = np.array_split(draw.permutation(num_images), max(1, num_images // SHARD))
    (folder / "examples").mkdir()
    for method in methods:
        for number, positions in enumerate(shards):
            values = values_of(np.sort(positions), method, draw)
            blocks.Block(0, number, method).write(run, "per_image", values, STUDY, {})
        ids = np.arange(64, dtype=np.int32).reshape(8, 8).repeat(8, 0).repeat(8, 1)[None].repeat(6, 0)
        np.savez_compressed(
            folder / "examples" / f"{method}.npz",
            images=draw.random((6, 3, 64, 64), np.float32),
            attributions=draw.standard_normal((MODELS, 6, 3, 64, 64), np.float32),
            allow_pickle=False,
            **{"segments/Slic": ids},
        )
    of_study = SimpleNamespace(name=STUDY, plan="disjoint", members=[SimpleNamespace(title=str(n)) for n in range(8)])
    return SimpleNamespace(
        run=run,
        record=record,
        settings=SimpleNamespace(methods=dict.fromkeys(methods), sanity_stages=0, num_resamples=NUM_RESAMPLES, seed=0),
        drawn=SimpleNamespace(index=torch.arange(num_images), has_mask=False, findings=()),
        targets="present",
        rounds=[of_study],
        round_of=lambda block: of_study,
        blocks=lambda: [blocks.Block(0, number, method) for method in methods for number in range(len(shards))],
    )


def timed(study: SimpleNamespace) -> dict[str, float]:
    """Return the processor seconds of each stage of a study's end."""
    seconds: dict[str, float] = {}
    last = time.process_time()

    def lap(stage: str) -> None:
        nonlocal last
        now = time.process_time()
        seconds[stage], last = now - last, now

    study.record.lap = lap
    concluding = module("evaluation.stability.summary", "evaluation.stability_results")
    reporting = module("evaluation.commands.report", "evaluation.report")
    # one word for all models in checkouts without plans
    models: object = "8 x Net" if concluding.__name__.endswith("stability_results") else {"disjoint": "8 x Net"}
    last = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        concluding.conclude(study, "Made", models, [f"model {number}" for number in range(MODELS)], [])
        lap("tables")
        reporting.report(str(study.run.path))
        lap("page")
    return seconds


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
