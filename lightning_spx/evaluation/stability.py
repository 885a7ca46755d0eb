"""The study behind `spx stability`: k models on disjoint data explain the same images; how far do their maps agree?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from lightning_spx.attribution import Attribution
from lightning_spx.data import ImageDataModule
from lightning_spx.evaluation.blocks import Block, read_blocks
from lightning_spx.evaluation.comparison import Magnitude
from lightning_spx.evaluation.drawn_images import draw_images, keep_splits
from lightning_spx.evaluation.maps import is_writer
from lightning_spx.evaluation.members import (
    ModelFactory,
    TrainerFactory,
    checkpoint_hashes,
    members_of,
    obtain_checkpoint,
    test_accuracy,
)
from lightning_spx.evaluation.names import unique_names
from lightning_spx.evaluation.plain import plain
from lightning_spx.evaluation.provenance import RunRecord
from lightning_spx.evaluation.results import summarise
from lightning_spx.evaluation.run_folder import default_folder, open_run_folder, write_atomic
from lightning_spx.evaluation.sanity import sanity_file, without_gain
from lightning_spx.evaluation.stability_report import report_stability
from lightning_spx.evaluation.study import Study
from lightning_spx.metrics import Distance
from lightning_spx.superpixels import Segmenter


def stability(
    data: ImageDataModule,
    model: ModelFactory,
    trainer: TrainerFactory,
    methods: list[Attribution],
    superpixels: list[Segmenter],
    magnitudes: list[Magnitude],
    distances: list[Distance],
    checkpoints: list[str] | None = None,
    num_images: int = 200,
    repeats: int = 1,
    target: Literal["label", "prediction"] = "label",
    noise: Literal["own", "shared"] = "own",
    sanity_stages: int = 0,
    num_resamples: int = 2000,
    batch_size: int = 64,
    seed: int = 0,
    out: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> Path:
    """Train or load k models, explain the same images with each, and tabulate how stable the maps are.

    Args:
        data: the images, with `plan` (`disjoint` or `folds`) and `num_parts`, the number of models.
        model: makes an untrained model that maps images in [0, 1] to logits.
        trainer: makes the Trainer of one model.
        methods: attribution methods.
        superpixels: segmenters; each gives S- rows with their controls.
        magnitudes: `after` pools signed values and then takes magnitudes, `before` takes magnitudes first.
        distances: of MeGe and ReCo.
        checkpoints: load these instead of training; one per model, in the order of parts or folds, repeat after repeat.
        num_images: explained: test images, or under `folds` images of the training pool; drawn by class.
        repeats: independent splits and seeds; with three or more the intervals cover them.
        target: explain the logit of the label, or of each model's own prediction.
        noise: random methods draw `own` noise for each model, or `shared` noise, which alone raises agreement.
        sanity_stages: randomise each model from the last layer down in so many stages, and see whether its maps change
            (rows of the metric `sanity_ssim`); 0 leaves these checks out. Each stage costs as much as explaining.
        num_resamples: of the bootstrap.
        batch_size: images explained at a time.
        seed: of initial weights, noise, drawn images, controls and bootstrap (the split has the seed of `data`).
        out: run folder; by default under `runs/`, named by data and settings, so that the same command goes on with it.
        config: complete settings to keep and compare when a run is taken up again; by default made from the others.

    Returns:
        The run folder, with `results.csv`, `per_image/`, `checkpoints/`, `figures/`, `splits.json` and `run.json`.

    Raises:
        ValueError: a setting is out of its range, or differs from the run that the folder holds.
    """
    named_methods, named_segmenters = unique_names(methods), unique_names(superpixels)
    if not named_methods or not named_segmenters or not magnitudes:
        raise ValueError("Expected `methods`, `superpixels` and `magnitudes` to name at least one each, got none.")
    at_least = {"num_images": (num_images, 2), "batch_size": (batch_size, 1), "repeats": (repeats, 1)}
    for name, (value, least) in {**at_least, "sanity_stages": (sanity_stages, 0)}.items():
        if value < least:
            raise ValueError(f"Expected `{name}` to be at least {least}, got {value}.")
    members = members_of(data, repeats, checkpoints)
    if config is None:
        settings = {name: value for name, value in locals().items() if name in stability.__annotations__}
        config = {name: plain(value) for name, value in settings.items()}
    # whatever the data refuse, they refuse before there is a folder
    splits = [data.use_part(0, data.seed + repeat).split() for repeat in range(repeats)]
    drawn = draw_images(data, num_images, seed)
    given = checkpoint_hashes(members)

    run = open_run_folder(Path(out) if out else default_folder("stability", data.name, config), config)
    identity = {
        "seed": seed,
        "fingerprint": data.fingerprint(),
        "splits": [split.sha256 for split in splits],
        "checkpoints": given,
    }
    record = RunRecord.open(run, identity)
    keep_splits(run.path / "splits.json", splits, data)
    lead = trainer()  # trains nothing: it knows the device and the loggers
    device = lead.strategy.root_device
    files = {member: obtain_checkpoint(member, run, data, model, trainer, seed) for member in members}
    record.lap("train")
    for member, file in files.items():
        if member.name not in record.content["models"]:
            record.content["models"][member.name] = test_accuracy(member, file, run, data, model, device)
    record.lap("test accuracy")

    study = Study(
        run=run,
        record=record,
        drawn=drawn,
        methods=named_methods,
        segmenters=named_segmenters,
        magnitudes=magnitudes,
        distances=distances,
        target=target,
        shared_noise=noise == "shared",
        batch_size=batch_size,
        device=device,
        seed=seed,
        sanity_stages=sanity_stages,
    )
    blocks: list[Block] = []
    for repeat, split in enumerate(splits):
        those = {member: files[member] for member in members if member.repeat == repeat}
        blocks += study.explain_repeat(repeat, those, split, model)
    if is_writer():
        models = f"{len(members) // repeats} x {record.content['models'][members[0].name]['network']}"
        per_image = read_blocks(run, blocks)
        tables = [per_image]
        if sanity_stages:
            checks = [sanity_file(run, repeat, name) for repeat in range(repeats) for name in named_methods]
            tables.append(pd.concat(map(pd.read_parquet, checks), ignore_index=True))
        summaries = [
            summarise(rows, dataset=data.name, models=models, num_resamples=num_resamples, seed=seed) for rows in tables
        ]
        results = without_gain(pd.concat(summaries, ignore_index=True))
        write_atomic(run.path / "results.csv", lambda path: results.to_csv(path, index=False))
        record.lap("summarise")
        report_stability(run, results, per_image, list(named_methods), len(members) // repeats, lead.loggers)
        record.lap("report")
    return run.path
