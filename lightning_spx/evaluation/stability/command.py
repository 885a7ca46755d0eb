"""The study behind `spx stability`: several models explain the same images; how far do their maps agree?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from lightning_spx.attribution import Attribution
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.data import ImageDataModule, UnpairedDataModule
from lightning_spx.evaluation.maps.colors import chosen_colors
from lightning_spx.evaluation.maps.guides import check_poolings
from lightning_spx.evaluation.maps.shards import make_shards
from lightning_spx.evaluation.stability.architectures import architectures as named_architectures
from lightning_spx.evaluation.stability.settings import StudySettings
from lightning_spx.evaluation.stability.start import StudyStart
from lightning_spx.evaluation.stability.trained import trained
from lightning_spx.evaluation.training.model_reading import ModelReading
from lightning_spx.evaluation.training.named_networks import NamedNetwork
from lightning_spx.evaluation.training.study_models import TrainerFactory, TrainingRecipe
from lightning_spx.evaluation.training.study_plans import StudyPlan, plan_models
from lightning_spx.evaluation.training.training_images import with_training_images
from lightning_spx.evaluation.trials.channels import check_only_for_photos
from lightning_spx.metrics import Distance
from lightning_spx.metrics.ssim import PairPreset
from lightning_spx.models import Part, Region
from lightning_spx.models.checkpoint_file import ModelFactory
from lightning_spx.models.image_model import Head
from lightning_spx.models.preprocess import Preprocess
from lightning_spx.reporting.display_names import unique_names
from lightning_spx.runs.launch import OF_STARTS, Launch, Launcher
from lightning_spx.runs.settings import plain
from lightning_spx.superpixels import ImagePooling


def stability(
    data: ImageDataModule,
    model: ModelFactory,
    trainer: TrainerFactory,
    methods: list[Attribution],
    superpixels: list[ImagePooling],
    magnitudes: list[Magnitude],
    distances: list[Distance],
    plans: list[StudyPlan] | None = None,
    architectures: list[ModelFactory] | None = None,
    checkpoints: list[str] | None = None,
    mean: list[float] | None = None,
    std: list[float] | None = None,
    preprocess: Preprocess | None = None,
    output: int | str | None = None,
    input_name: str | None = None,
    head: Head | None = None,
    targets: Literal["present", "predicted"] | list[str] | None = None,
    to_rgb: list[int] | str | None = None,
    part: Part | None = None,
    region: Region | None = None,
    models: list[NamedNetwork] | None = None,
    images: list[str] | None = None,
    image_size: int | None = None,
    channels: int | None = None,
    num_images: int = 200,
    shard_size: int = 64,
    repeats: int = 1,
    target: Literal["label", "prediction"] = "label",
    noise: Literal["own", "shared"] = "own",
    ceiling: bool = True,
    ssim_presets: list[PairPreset] | None = None,
    sanity_stages: int = 0,
    num_resamples: int = 2000,
    batch_size: int = 64,
    seed: int = 0,
    unit: str | None = None,
    launcher: Launcher = "local",
    resources: dict[str, float] | None = None,
    tables: bool = False,
    out: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> Path:
    """Train, load or name several models, explain the same images with each, and tabulate how stable the maps are.

    Args:
        data: the images, with `plan` (`seeds`, `disjoint` or `folds`) and `num_parts`, the number of models. If the
            images have masks, the results also say how much of each map lies inside them.
        model: makes an untrained model: a LightningModule, which maps images in [0, 1] to logits, or for `checkpoints`
            any network or function that returns one.
        trainer: makes the Trainer of one model.
        methods: attribution methods.
        superpixels: segmenters and filters; each adds rows of pooled (S-) maps and of their controls.
        magnitudes: when magnitudes are taken: `after` pools the signed values first, `before` takes magnitudes first.
        distances: distances between maps that MeGe and ReCo use.
        plans: what differs between the models that are compared, in the place of the plan of `data`, each with rows of
            its own: their `seeds`, their images (`disjoint`), their architecture (`models`), or several of these; or
            `folds` alone. All models train on equally many images, and the plans share the first model.
        architectures: with the plan `models`, what makes untrained models of other architectures, which are trained as
            `model` is.
        checkpoints: load these weights instead of training; one per model, in the order of parts or folds, all of the
            first repeat before those of the second. Checkpoints of Lightning, files of
            `torch.save(model.state_dict(), ...)`, .safetensors, and folders of Hugging Face models.
        mean: channel means of the images that the checkpoints' model was trained on, if it does not normalize them
            itself. By default what a network itself says, else ImageNet's; a LightningModule gets images in [0, 1].
        std: channel standard deviations of these images.
        preprocess: a differentiable callable in the place of `mean` and `std`, such as ZScore.
        output: what picks the logits out of the model's output: a name or a position. By default a tensor, the first
            entry of a tuple, or `logits`.
        input_name: the keyword of the model's `forward` that takes images; by default the usual ones.
        head: single_label; multi_label for one logit for each finding; scalar for one number per image. By default
            what ImageClassifier says, else single_label.
        targets: with multi_label, the findings to explain: `present` in the image (the default), `predicted` by the
            models, or a list of names, which are explained on every image.
        to_rgb: for images of other than one or three channels, the numbers of three bands, counted from 0, that
            pictures show and segmenters of RGB get, or the import path of a function from images to colors.
        part: with a CycleGAN as `model`, the discriminator to explain. It explains real test images of its own set.
        region: first row, first column, last row and last column of the discriminator's patches to explain; by
            default the mean score of all patches is explained.
        models: compare these networks with their weights instead of training: agreement between architectures.
        images: with `models`, photos instead of `data`: files, folders and patterns such as `birds/*.jpg`. Photos are
            all held in memory; images of `data` are read shard by shard.
        image_size: with `images`, the side in pixels of the grid that all maps share; by default the largest
            `image_size` among `models`.
        channels: with `images`, their channels: 3 for color photos, 1 for gray ones, other numbers for .npy and TIFF
            files. By default as many as the first network's first convolution takes.
        num_images: number of images to explain: test images, or images of the training pool under `folds`. They are
            drawn with the class shares of the whole set.
        shard_size: least number of images that are explained, compared and written together. An image's null value and
            borrowed segments come from another image of its shard. Memory holds one shard; each process or unit takes
            whole shards.
        repeats: number of independent splits and seeds; with three or more, the intervals cover them.
        target: explain the logit of the label, or of each model's own prediction. Photos have no labels; for them
            `label` means the class with the highest mean probability over the models.
        noise: random methods draw `own` noise for each model, or `shared` noise for all; shared noise by itself raises
            agreement.
        ceiling: explain everything a second time with other seeds of the random methods, which doubles their cost: no
            two models can agree better than a model does with itself under other noise.
        ssim_presets: presets of SSIM that get rows beside the usual one: `arun2021` has the settings of Arun et al.,
            Radiology: AI 2021, so that values can be compared with theirs.
        sanity_stages: randomize each model from its last layer down in this many stages, and measure whether its maps
            change (rows with the metric `sanity_ssim`); 0 skips this check. Each stage costs as much as explaining.
        num_resamples: number of bootstrap resamples.
        batch_size: number of images explained at a time.
        seed: seeds initial weights, noise, sampled images, controls and bootstrap (the split uses the seed of `data`).
        unit: do share i of n of the work, written as 2/16, and do not collect results: train every n-th model and,
            once all models exist, explain every n-th shard. None does everything that is missing and collects.
        launcher: `local` does the work in this command; `ray` runs each unit as a task of a Ray cluster that sees the
            same files.
        resources: what each Ray task reserves, such as `{CPU: 4, GPU: 1}`; by default one CPU.
        tables: print all tables, not only the one that fits on a screen.
        out: run folder. By default a folder under `runs/` that is named after data and settings, so that the same
            command resumes it.
        config: complete settings, kept in the folder and compared when the run is resumed; by default they are made
            from the other arguments.

    Returns:
        The run folder, with `results.csv`, `per_image/`, `checkpoints/`, `figures/`, `splits.json` and `run.json`.

    Raises:
        ValueError: a setting is out of its range, or differs from the run in the folder.
        FileNotFoundError: a file does not exist.
        ChildProcessError: Ray units kept failing; the message names them.

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
    named_methods, named_superpixels = unique_names(methods), unique_names(superpixels)
    if not named_methods or not named_superpixels or not magnitudes:
        raise ValueError("Expected `methods`, `superpixels` and `magnitudes` to name at least one each, got none.")
    check_poolings(named_superpixels)
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
        methods=with_training_images(named_methods, None if images else data),
        superpixels=named_superpixels,
        magnitudes=magnitudes,
        distances=distances,
        shared_noise=noise == "shared",
        batch_size=batch_size,
        device=lead.strategy.root_device,
        seed=seed,
        sanity_stages=sanity_stages,
        num_resamples=num_resamples,
        ceiling=ceiling,
        ssim_presets=[preset for preset in ssim_presets or [] if preset != "unit"],
        to_rgb=chosen_colors(to_rgb),
    )
    start = StudyStart(
        settings=settings,
        num_images=num_images,
        shards=make_shards(num_images, shard_size, seed),
        target=target,
        targets=targets or "present",
        launch=launch,
        loggers=lead.loggers,
        tables=tables,
        out=out,
        config=config,
    )
    check_only_for_photos(channels, images)
    if (plans or architectures) and (models or images or part):
        raise ValueError(
            "Expected `plans` and `architectures` without `models`, `images` and `part`, got one of them as well."
        )
    if models or images:
        if checkpoints or part or repeats > 1:
            raise ValueError("Expected `models` without `checkpoints`, `part` and `repeats`, got one of them as well.")
        return named_architectures(start, data, models or [], images, image_size, channels)
    if region is not None and part is None:
        raise ValueError(f"Expected `part` with `region` {list(region)}, got none.")
    if part is None and isinstance(data, UnpairedDataModule):
        raise ValueError("Expected `part`, discriminator_a or discriminator_b, with UnpairedDataModule, got none.")
    reading = ModelReading(mean, std, preprocess, output, input_name, head)
    planned, groups = plan_models(data, repeats, checkpoints, plans, len(architectures or []))
    recipe = TrainingRecipe(planned, model, trainer, seed, reading, architectures or [])
    return trained(start, recipe, groups, part, region)
