"""Parses and runs the commands: Lightning's fit, validate, test and predict, and those of this package."""

import inspect
import logging
import sys
import warnings
from argparse import ArgumentError
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser, Namespace, set_loader
from lightning import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback
from torch import nn

from lightning_spx import attribution, data, evaluation, models, superpixels
from lightning_spx.cli.defaults import (
    BENCH_DEFAULTS,
    ENSEMBLE_DEFAULTS,
    ROAR_DEFAULTS,
    STABILITY_DEFAULTS,
    TRADEOFF_DEFAULTS,
)
from lightning_spx.cli.factories import factory, factory_of_architecture
from lightning_spx.cli.report_command import report_parser, run_report_settings
from lightning_spx.cli.run_defaults import defaults_of_others, defaults_of_run
from lightning_spx.cli.short_help import help_asked_for
from lightning_spx.cli.suggestions import with_suggestion
from lightning_spx.cli.trainer_cli import TrainerCLI
from lightning_spx.cli.words import Words
from lightning_spx.evaluation import stability
from lightning_spx.evaluation.benchmark import bench
from lightning_spx.evaluation.commands.explain import explain_images
from lightning_spx.evaluation.commands.rerun import rerun
from lightning_spx.evaluation.commands.segment import segment_photos
from lightning_spx.evaluation.ensemble import ensemble
from lightning_spx.evaluation.roar import roar
from lightning_spx.evaluation.tradeoff import tradeoff
from lightning_spx.models.builder import import_path
from lightning_spx.reporting import log_config
from lightning_spx.reporting.trainer_folder import trainer_folder
from lightning_spx.runs.files import write_text
from lightning_spx.runs.folder import RESULTS_FILE
from lightning_spx.runs.processes import say

# YAML finds classes by short names once they are imported, so every class of these rooms is
CLASSES = [
    name
    for room in (attribution, data, evaluation, models, superpixels)
    for name in room.__all__
    if inspect.isclass(getattr(room, name))
]

# settings of a study that it builds anew for each model
MADE_LATER = {"model", "architectures", "trainer"}


class ConfigCallback(SaveConfigCallback):
    """Keeps the complete configuration in the run's own folder and in every logger.

    Lightning's own callback writes into the current folder for some loggers, overwrites a file of that name, and tells
    the loggers only the settings of the model and the data.
    """

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the file if a logger provides a folder, and send all settings to every logger."""
        text = self.parser.dump(self.config, skip_unset=False)
        folder = trainer_folder(trainer)
        if folder is not None:
            write_text(folder / self.config_filename, text)
        log_config(trainer.loggers, yaml.safe_load(text))


def run_lightning(words: list[str], args: list[str] | None) -> None:
    """Parse and run one of Lightning's commands.

    Args:
        words: the words after `spx`.
        args: the same words, or None if they are the console's.
    """
    natural = natural_words([words[0], "--help"] if help_asked_for(words) == "all" else words)
    TrainerCLI(
        LightningModule,
        LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        parser_kwargs={"exit_on_error": False},
        save_config_callback=ConfigCallback,
        # the configuration of `test` does not replace that of `fit`
        save_config_kwargs={"config_filename": f"{words[0]}.yaml", "save_to_log_dir": False},
        args=args if natural == words else natural,
    )


def run_command(words: list[str]) -> None:
    """Parse and run one of this package's own commands.

    Raises:
        ArgumentError: a word is not what the parser takes; the message suggests the nearest name.
    """
    make, run = COMMANDS[words[0]]
    parser = make()
    parser.prog = f"spx {words[0]}"
    natural = natural_words(words)[1:]
    if words[0] == "ensemble":
        parser.set_defaults(defaults_of_run(natural))
    # the parser would give a class of the user the settings of the default at the same place
    parser.set_defaults(defaults_of_others(natural, parser.get_defaults().as_dict()))
    try:
        settings = parser.parse_args(natural)
    except ArgumentError as error:
        settings_of_it = [word.removeprefix("--") for word in parser._option_string_actions if word[:2] == "--"]
        raise ArgumentError(None, with_suggestion(str(error), settings_of_it, CLASSES, arguments_of)) from error
    run(parser, settings)


def arguments_of(path: str) -> list[str]:
    """Return the arguments of the class or function at a path."""
    return list(inspect.signature(import_path(path)).parameters)


def natural_words(words: list[str]) -> list[str]:
    """Return the words in the parser's form, and have YAML files read in that form too."""
    command = FUNCTIONS.get(words[0]) if words else None
    forms = Words() if command is None else Words.of(command, RENAMED.get(words[0]))
    set_loader("yaml", forms.read, exceptions=(yaml.YAMLError,))
    return [*words[:1], *forms.rewrite(words[1:])]


def _configurable_parser(description: str) -> ArgumentParser:
    parser = ArgumentParser(exit_on_error=False, description=description)
    parser.add_argument("--config", action="config", help="YAML file with settings; later words override it.")
    return parser


def study_parser(study: Callable[..., Path], description: str, defaults: dict[str, Any]) -> ArgumentParser:
    """Return the parser of a command that trains models: the settings of its function, a model and a Trainer."""
    parser = _configurable_parser(description)
    parser.add_function_arguments(study, skip={"config", *(MADE_LATER & inspect.signature(study).parameters.keys())})
    # the study makes one of these for each model, so they are parsed here and built later
    parser.add_subclass_arguments(
        nn.Module, "model", fail_untyped=False, help="the model to train, once for each part, or that of `checkpoints`."
    )
    parser.add_class_arguments(Trainer, "trainer", instantiate=False)
    parser.set_defaults(defaults)
    return parser


def stability_parser() -> ArgumentParser:
    """Return the parser of `spx stability`."""
    description = "Train k models on disjoint data and tabulate how far their saliency maps agree."
    parser = study_parser(stability, description, STABILITY_DEFAULTS)
    words = "models of other architectures to train, for the plan `models`."
    parser.add_argument("--architectures", type=list[nn.Module] | None, help=words)
    return parser


def tradeoff_parser() -> ArgumentParser:
    """Return the parser of `spx tradeoff`."""
    description = "Measure stability and fidelity over segmenters and sizes, and recommend one."
    return study_parser(tradeoff, description, TRADEOFF_DEFAULTS)


def ensemble_parser() -> ArgumentParser:
    """Return the parser of `spx ensemble`."""
    description = "Average the maps of several models, or pool those of one: which agrees better?"
    return study_parser(ensemble, description, ENSEMBLE_DEFAULTS)


def roar_parser() -> ArgumentParser:
    """Return the parser of `spx roar`."""
    return study_parser(roar, "Remove the salient pixels, retrain, and measure the accuracy left.", ROAR_DEFAULTS)


def run_study(study: Callable[..., Path], parser: ArgumentParser, settings: Namespace) -> None:
    """Build the parts of a study from parsed settings and run it."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    # when a process dies and takes the others with it, this logger says so
    logging.getLogger("lightning.fabric.strategies.launchers.subprocess_script").setLevel(logging.INFO)
    # two warnings per training, and one about a library's internals: the user can act on none of them
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*is smaller than the logging interval.*")
    warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
    settings.pop("config", None)
    config = yaml.safe_load(parser.dump(settings, skip_unset=False))
    trainer_settings = factory(parser, settings, "trainer")
    others = settings.clone()
    del others["model"], others["trainer"]
    named = others.pop("architectures", None)
    further = {"architectures": [factory_of_architecture(parser, settings, each) for each in named]} if named else {}
    folder = study(
        **vars(parser.instantiate(others)),
        **further,
        model=factory(parser, settings, "model"),
        trainer=lambda: Trainer(**trainer_settings().as_dict()),
        config=config,
    )
    say(f"{'results' if (folder / RESULTS_FILE).is_file() else 'run'}: {folder}")


def photo_parser(
    command: Callable[..., Path], description: str, skip: AbstractSet[str] = frozenset()
) -> ArgumentParser:
    """Return the parser of a command on photos, which are its first words."""
    parser = _configurable_parser(description)
    parser.add_argument("images", nargs="+", type=str, help="files, folders and patterns such as 'birds/*.jpg'.")
    parser.add_function_arguments(command, skip={"images", *skip})
    return parser


def explain_parser() -> ArgumentParser:
    """Return the parser of `spx explain`."""
    parser = photo_parser(explain_images, "Explain photos with a model, as pictures and arrays.", skip={"model"})
    parser.add_subclass_arguments(
        nn.Module, "model", required=False, fail_untyped=False, help="the model of `checkpoints` or `weights`."
    )
    parser.set_defaults({"methods": STABILITY_DEFAULTS["methods"], "superpixels": [{"class_path": "Slic"}]})
    return parser


def segment_parser() -> ArgumentParser:
    """Return the parser of `spx segment`."""
    parser = photo_parser(segment_photos, "Draw the super-pixels of photos by several algorithms.")
    every = ("Slic", "Felzenszwalb", "Quickshift", "Watershed", "Grid", "Voronoi")
    parser.set_defaults({"superpixels": [{"class_path": name} for name in every]})
    return parser


def bench_parser() -> ArgumentParser:
    """Return the parser of `spx bench`."""
    parser = _configurable_parser("Measure time and memory beside other libraries.")
    parser.add_function_arguments(bench)
    parser.set_defaults(BENCH_DEFAULTS)
    return parser


def rerun_parser() -> ArgumentParser:
    """Return the parser of `spx rerun`."""
    parser = ArgumentParser(exit_on_error=False, description="Repeat a study from its folder and compare all numbers.")
    parser.add_argument("run", type=str, help="folder of a finished study.")
    parser.add_function_arguments(rerun, skip={"run", "start"})
    return parser


def run_plain(command: Callable[..., Path], written: str, parser: ArgumentParser, settings: Namespace) -> None:
    """Build the parts of a command that trains nothing from parsed settings, run it and print where its files are.

    Args:
        command: the function behind the command.
        written: what it writes, for the printed line.
        parser: of the command.
        settings: the parsed settings.
    """
    settings.pop("config", None)
    print(f"{written}: {command(**vars(parser.instantiate(settings)))}")


def run_explain(parser: ArgumentParser, settings: Namespace) -> None:
    """Explain photos with a model that is built once for each of its checkpoints."""
    settings.pop("config", None)
    model = None if settings.get("model") is None else factory(parser, settings, "model")
    settings.pop("model", None)
    print(f"explanations: {explain_images(**vars(parser.instantiate(settings)), model=model)}")


def run_rerun(parser: ArgumentParser, settings: Namespace) -> None:
    """Repeat a run; end with exit code 1 if a number differs."""
    if not rerun(**vars(settings), start=run_command):
        sys.exit(1)


# the function behind each command, whose settings may be lists
FUNCTIONS: dict[str, Callable[..., object]] = {
    "stability": stability,
    "roar": roar,
    "tradeoff": tradeoff,
    "ensemble": ensemble,
    "explain": explain_images,
    "segment": segment_photos,
    "bench": bench,
}
# earlier words of a command
RENAMED = {"explain": {"ckpt": "checkpoints", "network": "model"}}
# for each command: the function that makes its parser, and the one that runs the parsed settings
COMMANDS: dict[str, tuple[Callable[[], ArgumentParser], Callable[[ArgumentParser, Namespace], None]]] = {
    "stability": (stability_parser, partial(run_study, stability)),
    "roar": (roar_parser, partial(run_study, roar)),
    "tradeoff": (tradeoff_parser, partial(run_study, tradeoff)),
    "ensemble": (ensemble_parser, partial(run_study, ensemble)),
    "explain": (explain_parser, run_explain),
    "segment": (segment_parser, partial(run_plain, segment_photos, "partitions")),
    "bench": (bench_parser, partial(run_plain, bench, "benchmark")),
    "report": (report_parser, run_report_settings),
    "rerun": (rerun_parser, run_rerun),
}
