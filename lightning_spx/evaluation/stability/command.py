"""The study behind `spx stability`: several models explain the same images; how far do their maps agree?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from lightning_spx.attribution import Attribution
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.data import ImageDataModule, UnpairedDataModule
from lightning_spx.evaluation.maps.shards import make_shards
from lightning_spx.evaluation.stability.architectures import architectures
from lightning_spx.evaluation.stability.start import StudyStart
from lightning_spx.evaluation.stability.study import StudySettings
from lightning_spx.evaluation.stability.trained import trained
from lightning_spx.evaluation.training.named_networks import NamedNetwork
from lightning_spx.evaluation.training.study_models import TrainerFactory, TrainingRecipe, list_study_models
from lightning_spx.metrics import Distance
from lightning_spx.models import Part, Region
from lightning_spx.models.checkpoint_file import ModelFactory
from lightning_spx.reporting.display_names import unique_names
from lightning_spx.runs.launch import OF_STARTS, Launch, Launcher
from lightning_spx.runs.settings import plain
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
    part: Part | None = None,
    region: Region | None = None,
    models: list[NamedNetwork] | None = None,
    images: list[str] | None = None,
    image_size: int | None = None,
    num_images: int = 200,
    shard_size: int = 64,
    repeats: int = 1,
    target: Literal["label", "prediction"] = "label",
    noise: Literal["own", "shared"] = "own",
    sanity_stages: int = 0,
    num_resamples: int = 2000,
    batch_size: int = 64,
    seed: int = 0,
    unit: str | None = None,
    launcher: Launcher = "local",
    resources: dict[str, float] | None = None,
    out: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> Path:
    """Train, load or name several models, explain the same images with each, and tabulate how stable the maps are.

    Args:
        data: the images, with `plan` (`disjoint` or `folds`) and `num_parts`, the number of models. Where they have
            masks, results say as well how much of each map lies in them.
        model: makes an untrained model that maps images in [0, 1] to logits.
        trainer: makes the Trainer of one model.
        methods: attribution methods.
        superpixels: segmenters; each gives S- rows with their controls.
        magnitudes: `after` pools signed values and then takes magnitudes, `before` takes magnitudes first.
        distances: of MeGe and ReCo.
        checkpoints: load these instead of training; one per model, in the order of parts or folds, repeat after repeat.
        part: for `model` CycleGAN: the discriminator that is explained, on real test images of its own set.
        region: of the discriminator's patches, first row, first column, last row, last column; by default the mean
            score of all patches is explained.
        models: compare these networks with their weights instead of training: agreement between architectures.
        images: with `models`, photos instead of `data`: files, folders and patterns such as 'birds/*.jpg'. All of
            them are held in memory; images of `data` are read shard by shard.
        image_size: with `images`, side in pixels of the grid that all maps have; by default the largest of `models`.
        num_images: explained: test images, or under `folds` images of the training pool; drawn by class.
        shard_size: images that are explained, compared and written together, at least; each image's null value and
            borrowed segments are those of another one of its shard. Memory holds one shard; processes and units take
            whole ones.
        repeats: independent splits and seeds; with three or more the intervals cover them.
        target: explain the logit of the label, or of each model's own prediction. Photos have no labels: the class of
            the highest mean probability over the models takes the place.
        noise: random methods draw `own` noise for each model, or `shared` noise; shared noise by itself raises
            agreement.
        sanity_stages: randomise each model from the last layer down in so many stages, and see whether its maps change
            (rows of the metric `sanity_ssim`); 0 leaves these checks out. Each stage costs as much as explaining.
        num_resamples: of the bootstrap.
        batch_size: images explained at a time.
        seed: of initial weights, noise, drawn images, controls and bootstrap (the split has the seed of `data`).
        unit: do share i of n of the work, such as 2/16, and do not collect: train every n-th model and, once all models
            are there, explain every n-th shard. None does all that is missing, and collects.
        launcher: `local` does the work here; `ray` has each unit done by a task of a Ray cluster, on the same files.
        resources: of each task of Ray, such as `{CPU: 4, GPU: 1}`; by default one CPU.
        out: run folder; by default under `runs/`, named by data and settings, so that the same command goes on with it.
        config: complete settings to keep and compare when a run is taken up again; by default made from the others.

    Returns:
        The run folder, with `results.csv`, `per_image/`, `checkpoints/`, `figures/`, `splits.json` and `run.json`.

    Raises:
        ValueError: a setting is out of its range, or differs from the run that the folder holds.
        FileNotFoundError: a file is not there.
        ChildProcessError: units of Ray kept failing; names them.

    Example:
        >>> import contextlib, io, tempfile
        >>> from lightning import Trainer
        >>> from lightning_spx.attribution import Gradient
        >>> from lightning_spx.data import SyntheticBirdsDataModule
        >>> from lightning_spx.models import ImageClassifier, SmallResNet
        >>> from lightning_spx.superpixels import Grid
        >>> with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        ...     run = stability(
        ...         data=SyntheticBirdsDataModule(num_train=20, num_test=8, num_classes=2, num_parts=2),
        ...         model=lambda: ImageClassifier(SmallResNet(num_classes=2, width=4)),
        ...         trainer=lambda: Trainer(accelerator="cpu", max_epochs=1, logger=False, enable_progress_bar=False),
        ...         methods=[Gradient()],
        ...         superpixels=[Grid(16)],
        ...         magnitudes=["after"],
        ...         distances=["l2"],
        ...         num_images=4,
        ...         num_resamples=20,
        ...         out=folder,
        ...     )
        ...     files = sorted(path.name for path in run.glob("*.csv"))
        >>> files
        ['results.csv']
    """
    arguments = {name: value for name, value in locals().items() if name in stability.__annotations__}
    named_methods, named_segmenters = unique_names(methods), unique_names(superpixels)
    if not named_methods or not named_segmenters or not magnitudes:
        raise ValueError("Expected `methods`, `superpixels` and `magnitudes` to name at least one each, got none.")
    at_least = {"num_images": (num_images, 2), "batch_size": (batch_size, 1), "repeats": (repeats, 1)}
    for name, (value, least) in {**at_least, "sanity_stages": (sanity_stages, 0)}.items():
        if value < least:
            raise ValueError(f"Expected `{name}` to be at least {least}, got {value}.")
    if config is None:
        config = {name: plain(value) for name, value in arguments.items()}
    # who does the work is not a setting of the study
    config = {name: value for name, value in config.items() if name not in OF_STARTS}
    lead = trainer()  # trains nothing: it knows the device and the loggers

    def again(unit: str) -> Path:
        return stability(**{**arguments, "config": config, "unit": unit, "launcher": "local", "resources": None})

    launch = Launch(unit, launcher, resources, again)
    launch.prepare(lead)
    settings = StudySettings(
        methods=named_methods,
        segmenters=named_segmenters,
        magnitudes=magnitudes,
        distances=distances,
        shared_noise=noise == "shared",
        batch_size=batch_size,
        device=lead.strategy.root_device,
        seed=seed,
        sanity_stages=sanity_stages,
        num_resamples=num_resamples,
    )
    start = StudyStart(
        settings=settings,
        num_images=num_images,
        shards=make_shards(num_images, shard_size, seed),
        target=target,
        launch=launch,
        loggers=lead.loggers,
        out=out,
        config=config,
    )
    if models or images:
        if checkpoints or part or repeats > 1:
            raise ValueError("Expected `models` without `checkpoints`, `part` and `repeats`, got one of them as well.")
        return architectures(start, data, models or [], images, image_size)
    if region is not None and part is None:
        raise ValueError(f"Expected `part` with `region` {list(region)}, got none.")
    if part is None and isinstance(data, UnpairedDataModule):
        raise ValueError("Expected `part`, discriminator_a or discriminator_b, with UnpairedDataModule, got none.")
    recipe = TrainingRecipe(data, model, trainer, seed)
    return trained(start, recipe, list_study_models(data, repeats, checkpoints), part, region)
