"""`spx bench`: measures time, memory and exactness, and writes them as tables and figures."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import pandas as pd
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from lightning_spx.attribution import Attribution
from lightning_spx.data.photos import find_images, read_images
from lightning_spx.evaluation.benchmark.agreement import map_agreement
from lightning_spx.evaluation.benchmark.cases import (
    GRADIENTS,
    Bench,
    gradients_section,
    metrics_section,
    pooled_section,
    precision_of,
    segments_section,
)
from lightning_spx.evaluation.benchmark.exactness import noise_errors, path_errors, variance_ratios
from lightning_spx.evaluation.benchmark.growth import growth_section, memory_section, study_section
from lightning_spx.evaluation.benchmark.measure import COLUMNS, Measurement, objects_set_aside
from lightning_spx.evaluation.benchmark.processor import Processor
from lightning_spx.evaluation.benchmark.shares import arithmetic, shares
from lightning_spx.evaluation.publish import save_figure
from lightning_spx.evaluation.training.named_networks import NamedNetwork
from lightning_spx.evaluation.trials.channels import default_channels
from lightning_spx.reporting.benchmark import (
    benchmark_table,
    exactness_figure,
    growth_exponents,
    growth_figure,
    times_figure,
)
from lightning_spx.reporting.display_names import unique_names
from lightning_spx.reporting.tables import print_table
from lightning_spx.runs.example_maps import spread_positions
from lightning_spx.runs.files import write_table
from lightning_spx.runs.folder import RunFolder, default_folder, open_run_folder
from lightning_spx.runs.reading import read_table
from lightning_spx.runs.record import RunRecord
from lightning_spx.runs.settings import plain
from lightning_spx.superpixels import ImagePooling, Segmenter

Section = Literal["segments", "gradients", "pooled", "metrics", "study", "memory", "growth", "agreement"]
TIMED: dict[Section, Callable[[Bench], Iterator[Measurement]]] = {
    "segments": segments_section,
    "metrics": metrics_section,
    "pooled": pooled_section,
    "gradients": gradients_section,
    "study": study_section,
    "memory": memory_section,
    "growth": growth_section,
}


def bench(
    network: NamedNetwork,
    methods: list[Attribution],
    superpixels: list[ImagePooling],
    sections: list[Section],
    images: list[str] | None = None,
    image_size: int = 224,
    batch_sizes: list[int] | None = None,
    repeats: int = 5,
    max_evaluations: int = 400,
    num_path_images: int = 0,
    num_noise_images: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    formats: list[Literal["png", "pdf", "svg"]] | None = None,
    out: str | None = None,
) -> Path:
    """Measure time and memory of methods, segmenters, filters and metrics beside what a user would pick instead.

    The alternatives are captum, scikit-image, torchmetrics, SciPy and pytorch-grad-cam, as far as they are installed
    (`pip install lightning_spx[peers]`). All ways to compute the same result are timed in turns.

    Args:
        network: the network to explain; its weights do not affect the times. Images have as many channels as its first
            convolution takes.
        methods: attribution methods.
        superpixels: segmenters and filters that take images of these channels. Filters are timed in the section
            `pooled`, after the gradients.
        sections: parts of the table to measure. Each is kept in a file of its own and not measured again.
        images: photos: files, folders and patterns such as 'birds/*.jpg'; by default smooth random images.
        image_size: side of the images in pixels.
        batch_sizes: numbers of images at a time; by default 1 and 8.
        repeats: how often each call is timed after one warm-up; the table shows medians and quartiles.
        max_evaluations: skip calls that evaluate more gradients than this (images times draws or steps).
        num_path_images: images on which integrated gradients are compared with 1000 evaluations; 0 for none.
        num_noise_images: images on which SmoothGrad is compared with 1000 evaluations; 0 for none.
        device: `auto` takes a GPU if there is one.
        formats: file formats of the figures: png, pdf, svg; by default png.
        out: folder. By default a folder under `runs/` that is named after the settings, so that the same command
            resumes it.

    Returns:
        The folder, with `benchmark.csv`, `shares.csv`, `arithmetic.csv`, `exactness.csv`, `figures/`, `run.json`, and
        each section's own file under `sections/`.

    Raises:
        FileNotFoundError: a photo does not exist.
        ValueError: a setting is out of its range.
    """
    sizes = sorted(set(batch_sizes or [1, 8]))
    if not methods or not superpixels:
        raise ValueError("Expected `methods` and `superpixels` to name at least one each, got none.")
    for setting, value, lowest in (
        ("batch_sizes", min(sizes), 1),
        ("repeats", repeats, 1),
        ("max_evaluations", max_evaluations, 1),
        ("num_path_images", num_path_images, 0),
        ("num_noise_images", num_noise_images, 0),
    ):
        if value < lowest:
            raise ValueError(f"Expected `{setting}` to be at least {lowest}, got {value}.")
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("Expected a GPU for `device` cuda, found none.")
    if sections == ["segments"] and not any(isinstance(each, Segmenter) for each in superpixels):
        raise ValueError("Expected a segmenter for the section `segments`, got filters: add the section `pooled`.")
    settings = {name: plain(value) for name, value in locals().items() if name in bench.__annotations__}
    place = torch.device("cuda" if device == "auto" and torch.cuda.is_available() else device.replace("auto", "cpu"))
    model, poolings = network.build().eval(), unique_names(superpixels)
    channels = default_channels([model])
    for pooling_name, pooling in poolings.items():
        if pooling.channels not in (None, channels):
            raise ValueError(
                f"Expected `superpixels` for the {channels} channels of `network`, got {pooling_name} for "
                f"{pooling.channels}: leave it out."
            )
    shown = _images(images, image_size, max(*sizes, 2, num_path_images, num_noise_images), channels)
    name = network.name or type(network.network).__name__
    run = open_run_folder(Path(out) if out else default_folder("bench", name, settings), settings)
    record = RunRecord.open(run, {"network": name})
    shared = Bench(
        network=model.to(place),
        images=shown.to(place),
        methods=unique_names(methods),
        poolings=poolings,
        batch_sizes=sizes,
        repeats=repeats,
        max_evaluations=max_evaluations,
        progress=_progress,
    )
    for pooling in poolings.values():
        # what a first call imports and compiles is no memory of the pooling
        pooling.pool(torch.zeros_like(shared.images[:1]), shared.images[:1])
    console = Console()
    if place.type == "cpu":
        bf16 = "agreement" in sections or any(precision_of(method) == "bf16" for method in methods)
        _say_processor(Processor.here(), bf16, console)
    timed = Bench(**{**vars(shared), "images": shared.images[: max(*sizes, 2)]})
    parts = {section: partial(_rows, function, timed) for section, function in TIMED.items() if section in sections}
    with objects_set_aside():
        tables = [_kept(run, record, section, part) for section, part in parts.items()]
    # an empty table would change the types of the columns
    table = pd.concat([part for part in tables if len(part)] or [pd.DataFrame(columns=COLUMNS)])
    write_table(run.path / "benchmark.csv", table)
    endings = formats or ["png"]
    if len(table):
        print_table(console, benchmark_table(table))
        save_figure(run.path / "figures", "times", times_figure(table), endings)
        _say_shares(run, record, timed, table, console)
    if "growth" in parts:
        save_figure(run.path / "figures", "growth", growth_figure(table), endings)
        for over, exponent in growth_exponents(table).items():
            console.print(f"time of a call grows with {over} to the power of {exponent:.2f}", soft_wrap=True)
    if "agreement" in sections:
        agreement = _kept(run, record, "agreement", partial(map_agreement, timed))
        for what, rows in agreement.groupby("what", sort=False):
            cosine = rows["cosine"].quantile([0.5, 0.05]).tolist()
            largest = rows["largest_difference"].max()
            console.print(
                f"S-SmoothGrad, {what}: cosine {cosine[0]:.5f} (5 %: {cosine[1]:.5f}), at most {largest:.1e} apart",
                soft_wrap=True,
            )
    _exactness(run, record, shared, num_path_images, num_noise_images, endings, console)
    return run.path


def _say_processor(processor: Processor, bf16: bool, console: Console) -> None:
    console.print(str(processor), soft_wrap=True)
    if bf16 and processor.emulates_bf16:
        console.print("Warning: bf16 is emulated here and many times slower than fp32: set `precision` to fp32.")


def _say_shares(run: RunFolder, record: RunRecord, timed: Bench, table: pd.DataFrame, console: Console) -> None:
    after = shares(table)
    write_table(run.path / "shares.csv", after)
    for row in after.to_dict("records"):
        console.print(
            f"{row['what']}: {row['milliseconds']:.3g} ms per image, {row['share']:.2%} on top of {row['method']} "
            f"(batch {row['batch']})",
            soft_wrap=True,
        )
    if not (table["section"] == GRADIENTS).any():
        return
    used = _kept(run, record, "arithmetic", partial(arithmetic, timed, table))
    write_table(run.path / "arithmetic.csv", used)
    for row in used.to_dict("records"):
        console.print(
            f"{row['method']} (batch {row['batch']}): {row['tflops']:.3g} TFLOP/s, {row['share']:.1%} of a matrix "
            f"product in {row['precision']}",
            soft_wrap=True,
        )


def _exactness(
    run: RunFolder, record: RunRecord, shared: Bench, path: int, noise: int, endings: Sequence[str], console: Console
) -> None:
    errors = []
    if path:
        errors.append(_kept(run, record, "path", partial(path_errors, shared, path)))
    if noise:
        errors.append(_kept(run, record, "noise", partial(noise_errors, shared, noise)))
        ratios = _kept(run, record, "variance", lambda: variance_ratios(shared, noise).to_frame())["variance_ratio"]
        console.print(
            f"variance of a pair of draws, antithetic over independent: median {ratios.median():.3f} "
            f"({ratios.min():.3f} to {ratios.max():.3f}, {len(ratios)} images)",
            soft_wrap=True,
        )
    if errors:
        table = pd.concat(errors)
        write_table(run.path / "exactness.csv", table)
        for (method, what), rows in table.groupby(["method", "what"], sort=False):
            low, middle, high = rows["error"].quantile([0.05, 0.5, 0.95])
            console.print(
                f"{method}, {what}: {rows['evaluations'].mean():.1f} evaluations, error {middle:.3f} "
                f"({low:.3f} to {high:.3f}) of {len(rows)} images",
                soft_wrap=True,
            )
        save_figure(run.path / "figures", "exactness", exactness_figure(table), endings)


def _images(places: list[str] | None, image_size: int, count: int, channels: int) -> Tensor:
    if places:
        paths = find_images(places, channels)
        if len(paths) < count:
            raise ValueError(f"Expected `images` to name at least {count} photos, found {len(paths)}.")
        chosen = [paths[position] for position in spread_positions(len(paths), count)]
        return read_images(chosen, image_size, channels=channels).images
    coarse = torch.rand(count, channels, 8, 8, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, size=image_size, mode="bicubic").clamp(0, 1)


def _rows(function: Callable[[Bench], Iterator[Measurement]], timed: Bench) -> pd.DataFrame:
    return pd.DataFrame([found.row() for found in function(timed)], columns=COLUMNS)


def _kept(run: RunFolder, record: RunRecord, section: str, measured: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Read the table of a section that was measured before, or measure it now and write its table."""
    path = run.path / "sections" / f"{section}.csv"
    if not path.is_file():
        write_table(path, measured())
        record.lap(section)
    return read_table(path, COLUMNS if section in TIMED else [])


def _progress(turns: Iterable[int], description: str) -> Iterable[int]:
    return track(list(turns), description, transient=True)
