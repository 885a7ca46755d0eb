"""The study behind `spx ensemble`: does it help more to average the maps of models, or to pool those of one?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from lightning_spx.attribution import Attribution
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.data import ImageDataModule
from lightning_spx.evaluation.ensemble.answer import ensemble_answer
from lightning_spx.evaluation.ensemble.assignments import assign, group_sizes
from lightning_spx.evaluation.ensemble.members import member_files
from lightning_spx.evaluation.ensemble.output import report_ensemble
from lightning_spx.evaluation.ensemble.study import EnsembleStudy
from lightning_spx.evaluation.ensemble.summary import summarize_ensemble
from lightning_spx.evaluation.maps.colors import chosen_colors
from lightning_spx.evaluation.maps.guides import check_poolings, try_poolings
from lightning_spx.evaluation.maps.sampled_images import draw_images
from lightning_spx.evaluation.maps.shards import make_shards
from lightning_spx.evaluation.maps.ways import refuse_own_segments
from lightning_spx.evaluation.publish import show
from lightning_spx.evaluation.training.model_reading import ModelReading
from lightning_spx.evaluation.training.named_networks import load_model, same_weights, weights_hash
from lightning_spx.evaluation.training.study_models import TrainerFactory, accuracies_in_words, accuracy_facts
from lightning_spx.evaluation.training.training_images import with_training_images
from lightning_spx.evaluation.trials.model_trial import try_model
from lightning_spx.models.checkpoint_file import ModelFactory
from lightning_spx.models.image_model import Head
from lightning_spx.models.network_name import network_name
from lightning_spx.models.preprocess import Preprocess
from lightning_spx.reporting.display_names import unique_names
from lightning_spx.runs.blocks import study_name
from lightning_spx.runs.folder import default_folder, open_run_folder
from lightning_spx.runs.processes import collect, is_writer, num_processes, process_number, start_processes
from lightning_spx.runs.record import RunRecord
from lightning_spx.runs.settings import important_settings, plain
from lightning_spx.superpixels import ImagePooling


def ensemble(
    data: ImageDataModule,
    model: ModelFactory,
    trainer: TrainerFactory,
    methods: list[Attribution],
    superpixels: list[ImagePooling],
    magnitudes: list[Magnitude],
    run: str | None = None,
    checkpoints: list[str] | None = None,
    mean: list[float] | None = None,
    std: list[float] | None = None,
    preprocess: Preprocess | None = None,
    output: int | str | None = None,
    input_name: str | None = None,
    head: Head | None = None,
    to_rgb: list[int] | str | None = None,
    num_images: int = 200,
    shard_size: int = 64,
    target: Literal["label", "prediction"] = "label",
    num_assignments: int = 50,
    num_resamples: int = 2000,
    batch_size: int = 64,
    seed: int = 0,
    tables: bool = False,
    out: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> Path:
    """Measure how far mean maps of m models agree with those of m other models, beside pooled maps of single models.

    Every model's map is pooled and divided by its L2 norm before the mean. Random methods draw noise of their own for
    each model.

    Args:
        data: the images: test images, which no model saw.
        model: makes the untrained model of the checkpoints.
        trainer: makes the Trainer, which trains nothing here: it knows the device and the loggers.
        methods: attribution methods.
        superpixels: segmenters and filters; each adds rows of pooled (S-) maps and of their controls.
        magnitudes: when magnitudes are taken: `after` pools and averages signed values, `before` takes magnitudes
            first.
        run: folder of a run of `spx stability`, whose models are averaged: of several plans those of the parts, or else
            of the seeds. On the command line its data and model are the defaults.
        checkpoints: files of weights in the place of a run, one for each model, at least four.
        mean: channel means of the images that the checkpoints' model was trained on, if it does not normalize them
            itself. By default what a network itself says, else ImageNet's; a LightningModule gets images in [0, 1].
        std: channel standard deviations of these images.
        preprocess: a differentiable callable in the place of `mean` and `std`, such as ZScore.
        output: what picks the logits out of the model's output: a name or a position. By default a tensor, the first
            entry of a tuple, or `logits`.
        input_name: the keyword of the model's `forward` that takes images; by default the usual ones.
        head: single_label, because maps of one class for each image are averaged; multi_label is refused.
        to_rgb: for images of other than one or three channels, the numbers of three bands, counted from 0, that
            pictures show and segmenters of RGB get, or the import path of a function from images to colors.
        num_images: number of images to explain.
        shard_size: least number of images that are explained, compared and written together.
        target: explain the logit of the label, or of each model's own prediction.
        num_assignments: number of ways in which models are assigned to two groups, for each size of the groups; all of
            them if there are no more.
        num_resamples: number of bootstrap resamples.
        batch_size: number of images explained at a time.
        seed: seeds noise, sampled images, assignments, controls and bootstrap.
        tables: print all tables, not only that of SSIM.
        out: run folder. By default a folder under `runs/` that is named after data and settings, so that the same
            command resumes it.
        config: complete settings, kept in the folder and compared when the run is resumed; by default they are made
            from the other arguments.

    Returns:
        The run folder, with `results.csv`, `ensemble.csv`, `verdicts.json`, `per_image/`, `figures/` and `run.json`.

    Raises:
        ValueError: a setting is out of its range, or differs from the run in the folder.
        FileNotFoundError: a file does not exist.
    """
    named_methods, poolings = unique_names(methods), unique_names(superpixels)
    refuse_own_segments(methods, "`spx ensemble`")
    check_poolings(poolings)
    if not named_methods or not poolings or not magnitudes:
        raise ValueError("Expected `methods`, `superpixels` and `magnitudes` to name at least one each, got none.")
    at_least = {"num_images": (num_images, 2), "batch_size": (batch_size, 1), "num_assignments": (num_assignments, 1)}
    for name, (value, least) in at_least.items():
        if value < least:
            raise ValueError(f"Expected `{name}` to be at least {least}, got {value}.")
    if data.plan == "folds":
        raise ValueError(
            "Expected `data.plan` to be 'all', 'seeds' or 'disjoint', got 'folds', whose images most models saw: "
            "with `--data.plan all` test images are explained."
        )
    colors = chosen_colors(to_rgb)
    if config is None:
        config = {name: plain(value) for name, value in locals().items() if name in ensemble.__annotations__}
    files = member_files(run, checkpoints)
    shards = make_shards(num_images, shard_size, seed)
    drawn = draw_images(data, num_images, seed)
    if drawn.findings:
        raise ValueError(
            f"Expected images of {drawn.name} with one class each, because one map of each image is averaged, got the "
            f"findings {', '.join(drawn.findings)}: `spx stability` measures findings."
        )
    try_poolings(poolings, drawn.read([0])[0], colors)
    reading = ModelReading(mean, std, preprocess, output, input_name, head)
    models = {name: load_model(file, reading, model) for name, file in files.items()}
    # refuse what cannot serve before the study begins
    binary = all([try_model(each, drawn) for each in models.values()])

    lead = trainer()
    start_processes(lead)
    folder = open_run_folder(Path(out) if out else default_folder("ensemble", drawn.name, config), config)
    device = lead.strategy.root_device
    models = {name: each.to(device) for name, each in models.items()}
    weights = weights_hash(models)
    identity = {"command": "ensemble", "seed": seed, "fingerprint": drawn.fingerprint, "weights": weights}
    record = RunRecord.open(folder, identity)
    record.content["names"] = list(models)
    facts = record.content["models"]
    own = [name for name in list(models)[process_number() :: num_processes()] if name not in facts]
    for found in collect(
        {
            name: {"network": network_name(models[name]), **accuracy_facts(name, models[name], data, device)}
            for name in own
        }
    ):
        facts |= found
    record.lap("test accuracy")

    study = EnsembleStudy(
        run=folder,
        record=record,
        name=study_name(important_settings(config), identity),
        drawn=drawn,
        shards=shards,
        models=models,
        methods=with_training_images(named_methods, data),
        superpixels=poolings,
        magnitudes=magnitudes,
        assignments={size: assign(len(models), size, num_assignments, seed) for size in group_sizes(len(models))},
        target="output" if binary else target,
        batch_size=batch_size,
        device=device,
        seed=seed,
        to_rgb=colors,
    )
    study.measure()
    if is_writer():
        described = f"{len(models)} x {network_name(next(iter(models.values())))}"
        summary = summarize_ensemble(study, drawn.name, described, num_resamples)
        record.lap("summarise")
        lines, warned = accuracies_in_words(facts)
        answer = ensemble_answer(summary, lines, [*warned, *same_weights(list(weights.values()))])
        findings = report_ensemble(folder, summary, answer, lead.loggers)
        record.note_results()
        record.lap("report")
        show(folder, findings, tables)
    return folder.path
