"""Trains the k models of a study on their parts of the data, or loads them; no finished model is trained twice."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import torch
from lightning import LightningModule, Trainer, seed_everything
from lightning.pytorch.loggers import CSVLogger
from rich.progress import track
from torch import nn

from lightning_spx.data import ImageDataModule
from lightning_spx.evaluation.training.accuracy import accuracy
from lightning_spx.evaluation.training.epochs import save_checkpoint, train
from lightning_spx.evaluation.training.model_reading import ModelReading, described_normalization
from lightning_spx.evaluation.training.named_networks import load_model
from lightning_spx.models.checkpoint_file import ModelFactory, file_hash
from lightning_spx.models.image_model import ImageModel
from lightning_spx.models.network_name import network_name
from lightning_spx.runs.environment import environment
from lightning_spx.runs.folder import RunFolder
from lightning_spx.runs.processes import agreed, is_writer
from lightning_spx.runs.reading import read_json

# this key in the files of trainings stays, because earlier versions wrote it too
ENVIRONMENT = "place"
TrainerFactory = Callable[[], Trainer]


@dataclass(frozen=True)
class StudyModel:
    """One model of a study.

    Args:
        repeat: number of the repeat.
        part: the part that it trains on, or the fold that it does not train on.
        number: number in the whole study; the model's seed is the study's seed plus this number.
        checkpoint: file of a trained model to load instead of training one.
        title: the user's name for the model; empty if there is none.
        replicate: number of another training on the images of the part; 0 for the part's own model.
        architecture: number of the further architecture that it has; 0 for that of the study's `model`.
    """

    repeat: int
    part: int
    number: int
    checkpoint: Path | None = None
    title: str = ""
    replicate: int = 0
    architecture: int = 0

    @property
    def name(self) -> str:
        """Return the user's name for the model, or the stem of its files."""
        if self.architecture:
            return f"repeat{self.repeat}-architecture{self.architecture}"
        return self.title or f"repeat{self.repeat}-{'seed' if self.replicate else 'model'}{self.replicate or self.part}"


@dataclass(frozen=True)
class TrainingRecipe:
    """What the trainings of all models of a study have in common.

    Args:
        data: the study's data; each model trains on its part of them.
        model: makes an untrained model.
        trainer: makes a Trainer.
        seed: the study's seed.
        reading: how the models read images and how their outputs are read.
        architectures: each makes an untrained model of a further architecture.
    """

    data: ImageDataModule
    model: ModelFactory
    trainer: TrainerFactory
    seed: int
    reading: ModelReading = field(default_factory=ModelReading)
    architectures: Sequence[ModelFactory] = ()

    def of(self, model: StudyModel) -> Self:
        """Return the recipe of one model: its architecture is that of `model`."""
        return replace(self, model=self.architectures[model.architecture - 1]) if model.architecture else self

    def images_of(self, model: StudyModel) -> ImageDataModule:
        """Return the data that one model trains on."""
        return self.data.use_part(model.part, self.data.seed + model.repeat, model.replicate)

    def load(self, checkpoint: Path) -> ImageModel:
        """Return the model with the weights of a checkpoint, in evaluation mode.

        Raises:
            FileNotFoundError: the file does not exist.
            ValueError: it belongs to another architecture.
        """
        return load_model(checkpoint, self.reading, self.model)

    def untrained(self) -> LightningModule:
        """Return a model to train.

        Raises:
            TypeError: the configured model is no LightningModule, which says how it is trained.
            ValueError: a normalization is given for a model that is trained here, on images in [0, 1].
        """
        module = self.model()
        if not isinstance(module, LightningModule):
            name = type(module).__name__
            raise TypeError(
                f"Expected `checkpoints` of {name}, or as `model` a LightningModule, which says how it is trained: "
                f"lightning_spx.models.ImageClassifier(network={name}(...)) is one."
            )
        if self.reading.is_given:
            raise ValueError(
                "Expected `mean`, `std` and `preprocess` with `checkpoints`: models trained here see images in [0, 1], "
                "so normalize them inside the model, as ImageClassifier(mean=..., std=...) does."
            )
        return module


def checkpoint_file(model: StudyModel, run: RunFolder) -> Path:
    """Return the file of a model's weights: the given one, or the one that its training writes."""
    return model.checkpoint or run.path / "checkpoints" / f"{model.name}.ckpt"


def obtain_checkpoint(model: StudyModel, run: RunFolder, recipe: TrainingRecipe) -> Path:
    """Return the model's checkpoint; if it is missing, train the model first.

    A training that was stopped resumes from its last finished epoch, and ends with the weights of an undisturbed one.

    Args:
        model: the model.
        run: its folder receives `checkpoints/<name>.ckpt` and `training/<name>/metrics.csv`.
        recipe: how the study's models are trained.
    """
    checkpoint = checkpoint_file(model, run)
    if model.checkpoint is not None:
        return checkpoint
    last_epoch = checkpoint.with_suffix(".epoch")
    if not agreed(checkpoint.exists()):
        own_seed = recipe.seed + model.number
        seed_everything(own_seed, workers=True, verbose=False)
        module, trainer = recipe.of(model).untrained(), recipe.trainer()
        logger = CSVLogger(run.path, name="training", version=model.name)
        seconds = train(module, trainer, recipe.images_of(model), logger, last_epoch, own_seed)
        if is_writer():
            record = {"epochs": trainer.current_epoch, "seconds": round(seconds, 3), ENVIRONMENT: environment()}
            run.write_json(f"checkpoints/{model.name}.json", record)
        save_checkpoint(trainer, checkpoint, weights_only=True)
        if is_writer():
            run.write_json(f"checkpoints/{model.name}.json", {**record, "sha256": file_hash(checkpoint)})
    if is_writer():
        last_epoch.unlink(missing_ok=True)
    return checkpoint


def checkpoint_hashes(models: Sequence[StudyModel]) -> list[str]:
    """Return the SHA-256 of every given checkpoint, because another file under the same name makes another study.

    Raises:
        FileNotFoundError: a checkpoint does not exist.
    """
    return [file_hash(model.checkpoint) for model in models if model.checkpoint is not None]


def own_hash(model: StudyModel, run: RunFolder) -> str:
    """Return the SHA-256 of a model's checkpoint after checking that its training wrote it.

    Raises:
        FileNotFoundError: the checkpoint does not exist.
        ValueError: the file has changed since the training wrote it.
    """
    checkpoint = checkpoint_file(model, run)
    found, recorded = file_hash(checkpoint), _training_record(model, run).get("sha256")
    if recorded not in (None, found):
        raise ValueError(
            f"Expected {checkpoint} as its training has written it (SHA-256 {recorded}), got another file ({found}). "
            "Remove it to train the model again."
        )
    return found


def training_environment(model: StudyModel, run: RunFolder) -> dict[str, object]:
    """Return the environment in which a model was trained, as `environment` describes it; empty for a given one."""
    found: object = _training_record(model, run).get(ENVIRONMENT, {})
    if not isinstance(found, dict):
        path = run.path / "checkpoints" / f"{model.name}.json"
        raise ValueError(f"Expected `{ENVIRONMENT}` in {path} to be a mapping, got {found!r}: remove the file.")
    return found


def _training_record(model: StudyModel, run: RunFolder) -> dict[str, Any]:
    path = run.path / "checkpoints" / f"{model.name}.json"
    return read_json(path) if path.is_file() else {}


def classifier_facts(
    model: StudyModel, run: RunFolder, recipe: TrainingRecipe, device: torch.device
) -> dict[str, object]:
    """Describe a classifier and its accuracy on all test images, as plain values."""
    module = recipe.of(model).load(checkpoint_file(model, run)).to(device)
    return {
        **describe(model, run),
        "network": network_name(module),
        **({"normalization": described_normalization(module)} if recipe.reading.is_given else {}),
        **accuracy_facts(model.name, module, recipe.data, device),
    }


def accuracy_facts(name: str, model: nn.Module, data: ImageDataModule, device: torch.device) -> dict[str, object]:
    """Describe a classifier's accuracy on all test images, and what guessing would give, as plain values."""
    data.setup("test")
    batches = track(data.test_dataloader(), f"test {name}", disable=not is_writer(), transient=True)
    measured = accuracy(model.to(device), batches, device)
    return {
        "test_accuracy": measured.value,
        "chance": measured.chance,
        "near_chance": measured.is_near_chance,
    }


def accuracies_in_words(models: Mapping[str, Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    """Say how accurate each model of a record is, and of which the maps mean little because it could be guessing.

    Args:
        models: the facts of each model by its name; discriminators have no accuracy.

    Returns:
        A line for each model, and a line about those that are near chance, if there are any.

    Example:
        >>> facts = {"test_accuracy": 0.5, "chance": 0.5, "near_chance": True}
        >>> accuracies_in_words({"model0": facts})[0]
        ['model0: test accuracy 50.0 % (always the most common answer: 50.0 %)']
    """
    known = {name: facts for name, facts in models.items() if "chance" in facts}
    lines = [
        f"{name}: test accuracy {percent(facts['test_accuracy'])} "
        f"(always the most common answer: {percent(facts['chance'])})"
        for name, facts in known.items()
    ]
    lines += [
        f"{name}: AUC of real against translated images {facts['auc']:.3f} (guessing: 0.500)"
        for name, facts in models.items()
        if "auc" in facts
    ]
    near = {name: facts for name, facts in known.items() if facts["near_chance"]}
    if not near:
        return lines, []
    named = ", ".join(f"{name} ({percent(facts['test_accuracy'])})" for name, facts in near.items())
    chances = ", ".join(dict.fromkeys(percent(facts["chance"]) for facts in near.values()))
    warned = [
        f"The accuracy of {named} is not above that of always the most common answer, {chances}, by more than "
        "chance: the maps say little. If a loaded model was trained on normalized images, give `mean` and `std`."
    ]
    return lines, warned


def percent(share: float) -> str:
    """Write a share as a percentage.

    Example:
        >>> percent(0.5)
        '50.0 %'
    """
    return f"{100 * share:.1f} %"


def describe(model: StudyModel, run: RunFolder) -> dict[str, object]:
    """Describe a model and its training, as plain values."""
    known = {name: value for name, value in asdict(model).items() if name != "title"}
    checkpoint = checkpoint_file(model, run)
    return {
        **known,
        "checkpoint": str(checkpoint.relative_to(run.path) if checkpoint.is_relative_to(run.path) else checkpoint),
        **{name: value for name, value in _training_record(model, run).items() if name != ENVIRONMENT},
    }
