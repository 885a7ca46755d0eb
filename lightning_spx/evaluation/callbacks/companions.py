"""Checks the other parts of a Trainer: further evaluators, and all that monitor a number of one of them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import lcm
from pathlib import Path
from typing import Self

from lightning import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_warn

from lightning_spx.evaluation.callbacks.agreement import PARTS, PREVIOUS, row_key
from lightning_spx.evaluation.callbacks.finding_names import finding_keys
from lightning_spx.evaluation.callbacks.settings import AGREEMENT, Settings
from lightning_spx.evaluation.statistics.localization import LOCALIZATION
from lightning_spx.reporting.rows import PIXEL
from lightning_spx.reporting.safe_keys import safe_key

STAGES = ("val/", "test/", "")  # without a stage: the user forgot it
EPOCHS = 1000  # looked ahead at most


@dataclass(frozen=True)
class Peers:
    """All evaluators of a Trainer, each with its name and the folder that its user chose.

    Args:
        names: of the evaluators, empty for one without.
        folders: chosen folders in the same order; None for one that chooses its own.
    """

    names: Sequence[str]
    folders: Sequence[str | Path | None]

    @classmethod
    def of(cls, trainer: Trainer, kind: type[Callback]) -> Self:
        """Return the evaluators, callbacks of a kind, that a Trainer has."""
        found = [vars(each) for each in vars(trainer)["callbacks"] if isinstance(each, kind)]
        return cls([each["settings"].name for each in found], [each["out"] for each in found])

    def refuse_collisions(self) -> None:
        """Raise a ValueError if two evaluators would log the same names or write the same files."""
        # some file systems do not tell capital letters apart
        for name, count in Counter(name.lower() for name in self.names).items():
            if count > 1:
                raise ValueError(
                    f"Expected each SaliencyEvaluator of a Trainer to have a name of its own, got {count} with "
                    f"{name!r}: set `name`, which becomes a part of the evaluator's keys and of its folder."
                )
        chosen = [Path(folder).absolute() for folder in self.folders if folder is not None]
        for folder, count in Counter(chosen).items():
            if count > 1:
                raise ValueError(
                    "Expected each SaliencyEvaluator of a Trainer to have a folder `out` of its own, got "
                    f"{folder} for {count}: set another `out`, or None for a folder with the evaluator's name."
                )


@dataclass(frozen=True)
class Watch:
    """A callback or scheduler that looks at a number every so many epochs.

    Args:
        who: name of its class.
        monitor: name of the number.
        every: epochs between two looks; None if unknown.
        strict: whether it raises an error when the number is missing.
        remedy: what to set so that it looks only when the number exists; `{}` stands for epochs.
        harm: what happens when it takes an old number for a new one; `{}` stands for epochs.
        at_epoch_end: whether it looks once after all validations of an epoch, instead of after each.
    """

    who: str
    monitor: str
    every: int | None = None
    strict: bool = False
    remedy: str = ""
    harm: str = ""
    at_epoch_end: bool = False


def watches(trainer: Trainer) -> Iterator[Watch]:
    """List the callbacks and learning-rate schedulers that monitor a number in a fit; a dry run leaves some idle."""
    wet = not getattr(trainer, "fast_dev_run", False)
    for callback in vars(trainer)["callbacks"]:
        monitor, who = getattr(callback, "monitor", None), type(callback).__name__
        if not isinstance(monitor, str):
            continue
        if isinstance(callback, EarlyStopping):
            harm = "its `patience` counts validations of which one in {} has a new value"
            yield Watch(who, monitor, 1, callback.strict and wet, f"`strict` of {who} to False", harm)
        elif isinstance(callback, ModelCheckpoint):
            strict = callback.save_top_k != 0 and wet
            remedy = f"`every_n_epochs` of {who} to {{}}"
            harm = "it can keep later weights under an earlier value: set its `every_n_epochs` to {}"
            yield Watch(who, monitor, callback.every_n_epochs or None, strict, remedy, harm)
        else:
            yield Watch(who, monitor)
    for config in trainer.lr_scheduler_configs:
        if config.reduce_on_plateau and config.monitor is not None:
            who, every = type(config.scheduler).__name__, config.frequency if config.interval == "epoch" else None
            remedy = f"`frequency` beside {who} in `configure_optimizers` to {{}}, or `strict` to False"
            harm = "its `patience` counts epochs without one: set `frequency` beside it in `configure_optimizers` to {}"
            yield Watch(who, config.monitor, every, config.strict, remedy, harm, True)


def logged_names(settings: Settings, masks: bool, findings: Sequence[str] = ()) -> list[str]:
    """List the numbers that validations can log.

    Args:
        settings: of the callback.
        masks: whether batches have a mask; True if that is not known yet.
        findings: names of the findings, if there are several and they are known.

    Example:
        >>> from lightning_spx.evaluation import SaliencyEvaluator
        >>> logged_names(SaliencyEvaluator().settings, masks=False)[:2]
        ['val/saliency_ssim/Gradient/value', 'val/saliency_ssim/Gradient/floor']
    """
    stage = settings.stage("val")
    rows = [row_key(method, name) for method in settings.methods for name in (PIXEL, *settings.superpixels)]
    endings = [""] if settings.checkpoints or settings.with_previous else []
    endings += [f"/{PREVIOUS}"] * bool(settings.checkpoints and settings.with_previous)
    last = ["", *(f"/{key}" for key in finding_keys(findings).values())]
    metrics = [metric for metric in AGREEMENT if settings.head != "scalar" or metric != "mege"]
    agreement = [
        f"{stage}/{metric}/{row}{ending}{finding}"
        for metric in metrics
        for ending in endings
        for finding in last
        for row in rows
    ]
    localization = [
        f"{stage}/{metric}/{row}{finding}/value" for metric in LOCALIZATION for finding in last for row in rows if masks
    ]
    return [safe_key(name) for name in [*(f"{name}/{part}" for name in agreement for part in PARTS), *localization]]


def check_names(trainer: Trainer, settings: Settings, peers: Peers, masks: bool, findings: Sequence[str] = ()) -> None:
    """Raise a ValueError if a monitored number is named like one of the evaluator's but is none of them.

    A number without the name of an evaluator is also refused if all evaluators have names.

    Args:
        trainer: of the fit, with its optimizers.
        settings: of the callback.
        peers: all evaluators of the Trainer.
        masks: whether batches have a mask; True if that is not known yet.
        findings: names of the findings, once they are known.
    """
    names = logged_names(settings, masks, findings)
    owners = [f"{settings.name}/" if settings.name else "", *[""] * ("" not in peers.names)]
    metrics = (*AGREEMENT, *LOCALIZATION)
    alike = tuple(f"{stage}{owner}{metric}/" for owner in owners for stage in STAGES for metric in metrics)
    for watch in watches(trainer):
        if watch.monitor.startswith(alike) and not _is_logged(watch.monitor, names, settings, findings):
            listed = ", ".join(name for name in names if name.endswith("/value")) or "none"
            raise ValueError(
                f"Expected `monitor` of {watch.who} to be a number that SaliencyEvaluator logs during fit, got "
                f"{watch.monitor!r}: there are {listed}{'' if masks else ' (batches have no `mask`)'}; agreement also "
                "with /floor and /excess in the place of /value."
            )


def _is_logged(monitor: str, names: Sequence[str], settings: Settings, findings: Sequence[str]) -> bool:
    if monitor in names:
        return True
    # which findings there are is known at the first batch
    unknown = settings.head == "multi_label" and not findings
    return unknown and monitor.startswith(tuple(name.removesuffix("value") for name in names))


def check_looks(trainer: Trainer, settings: Settings, every_n_epochs: int, resumed: bool) -> None:
    """Refuse a callback that looks at a number before it has a value, and warn of one that looks at an old value.

    Args:
        trainer: of the fit, with its optimizers.
        settings: of the callback.
        every_n_epochs: number of epochs between evaluations.
        resumed: whether an earlier fit evaluated already.

    Raises:
        ValueError: the number has no value at the first look; the error says what to set.
    """
    between, last = trainer.check_val_every_n_epoch or 1, trainer.max_epochs
    epochs = range(EPOCHS if last is None or last < 0 else min(last, EPOCHS))
    validated = [(epoch + 1) % between == 0 for epoch in epochs]
    evaluated = [validated[epoch] and (epoch + 1) % every_n_epochs == 0 for epoch in epochs]
    interval = trainer.val_check_interval
    # the number of batches of an epoch is not known yet, so an interval in batches may mean two validations
    validations = round(1 / interval) if isinstance(interval, float) else 2
    names, stage = logged_names(settings, masks=True), settings.stage("val")
    for watch in watches(trainer):
        if watch.every is None or not _is_logged(watch.monitor, names, settings, ()):
            continue
        drift = f"/{PREVIOUS}" in watch.monitor or not settings.checkpoints
        least = 2 if drift and watch.monitor.removeprefix(f"{stage}/").split("/")[0] in AGREEMENT else 1
        looks = [epoch for epoch in epochs if validated[epoch] and (epoch + 1) % watch.every == 0]
        # evaluations before each look; of the look's own epoch the first one counts, or all at its end
        counts = [
            validations * sum(evaluated[:epoch]) + evaluated[epoch] * (validations if watch.at_epoch_end else 1)
            for epoch in looks
        ]
        steps = lcm(every_n_epochs, between)
        if looks and counts[0] < least and watch.strict and not resumed:
            reasons = [f"it evaluates every {every_n_epochs} epochs (`every_n_epochs`)"] * (every_n_epochs > 1)
            reasons += [f"agreement with `{PREVIOUS}` begins with the second evaluation (`references`)"] * (least > 1)
            raise ValueError(
                f"Expected a value of {watch.monitor!r} when {watch.who} first looks, in epoch {looks[0]}, but "
                f"SaliencyEvaluator has none yet: {' and '.join(reasons)}. Set {watch.remedy.format(steps * least)}."
            )
        if any(count >= least and not evaluated[epoch] for epoch, count in zip(looks, counts, strict=True)):
            rank_zero_warn(
                f"SaliencyEvaluator evaluates every {every_n_epochs} epochs (`every_n_epochs`): {watch.who} takes the "
                f"old value of {watch.monitor!r} for a new one in between, so {watch.harm.format(steps)}."
            )
