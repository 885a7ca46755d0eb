"""A process that evaluates again and again holds no more after the last evaluation than after the first ones."""

import inspect
import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import matplotlib
import matplotlib.pyplot as plt
import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from packaging.version import Version
from torchmetrics import Metric

from lightning_spx import attribution, metrics, models, superpixels
from lightning_spx.attribution import Attribution, Gradient, SmoothGrad
from lightning_spx.metrics import ImageMean
from lightning_spx.superpixels import Grid, Segmenter
from tests.attribution.cases import METHODS, Net
from tests.evaluation.callbacks.evaluator_cases import evaluator, fit, reference
from tests.soak.evaluations import METRICS, MODEL_METRICS, OTHER_METRICS, explain, segmenters, show
from tests.soak.held import Held, added, held

# what allocators and libraries keep; 500 evaluations that each lose 40 kB, a picture of 100 x 100 pixels, exceed it
MARGIN = 20 * 2**20
SHORT, LONG = 20, 500
# any tensor, figure or file that is kept is one too many, so a few evaluations are enough for these
FEW = 5


# what lazy parts of libraries, and other tests of the same process, do not add to: in any run of the tests
COUNTED = ("tensors", "figures", "files")
EVERYTHING = (*COUNTED, "threads", "objects", "resident")


def evaluations(short: int = FEW, long: int = LONG) -> pytest.MarkDecorator:
    """The test with few evaluations, in any run of the tests, and with many and all that is held, in a night's."""
    cases = [(short, COUNTED), pytest.param(long, EVERYTHING, marks=pytest.mark.soak)]
    return pytest.mark.parametrize(("number", "kinds"), cases)


def leaks(grown: Held, evaluations: int, kinds: Sequence[str]) -> list[str]:
    """Name what was lost at every evaluation, or at every other one."""
    limits = {"tensors": 1, "figures": 1, "files": 1, "threads": 1, "objects": evaluations // 2, "resident": MARGIN}
    return [f"{kind}: {getattr(grown, kind)}" for kind in kinds if getattr(grown, kind) >= limits[kind]]


def public(room: ModuleType, base: type) -> set[type]:
    """Classes that a room exports and that can be built."""
    exported = [getattr(room, name) for name in room.__all__]
    kinds = {each for each in exported if isinstance(each, type) and issubclass(each, base)}
    return {kind for kind in kinds if not inspect.isabstract(kind)}


def test_every_method_segmenter_and_metric_is_among_those_that_are_repeated(tmp_path: Path) -> None:
    assert public(attribution, Attribution) == {type(method) for method in METHODS}
    assert public(superpixels, Segmenter) == {type(segmenter) for segmenter in segmenters(tmp_path)}
    every = public(metrics, Metric) | public(models, Metric)
    assert every - {ImageMean} == {type(metric) for metric in [*METRICS, *MODEL_METRICS, *OTHER_METRICS]}


@pytest.mark.filterwarnings("ignore")
@evaluations()
def test_methods_segmenters_and_metrics_keep_nothing_of_an_evaluation(
    tmp_path: Path, number: int, kinds: Sequence[str]
) -> None:
    chosen = segmenters(tmp_path)
    # a model of its own in each evaluation, as in a study of many
    grown = added(lambda _: explain(Net(), chosen), number, warm_up=max(3, number // 10))
    assert not leaks(grown, number, kinds), grown


@pytest.mark.skipif(Version(matplotlib.__version__) < Version("3.11"), reason="it keeps objects of each figure")
@pytest.mark.filterwarnings("ignore")
@evaluations(short=8)
def test_figures_pages_and_plots_keep_nothing(number: int, kinds: Sequence[str]) -> None:
    grown = added(show, number, warm_up=max(len(METRICS), number // 10))
    assert not leaks(grown, number, kinds), grown
    assert plt.get_fignums() == []


class HeldAfter(Callback):
    """Count what is held after the epochs of the given numbers.

    Args:
        epochs: from 0.
    """

    def __init__(self, *epochs: int) -> None:
        self.epochs = epochs
        self.found: list[Held] = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count, after the validation of the epoch."""
        if trainer.current_epoch in self.epochs:
            self.found.append(held())


@pytest.mark.filterwarnings("ignore")
@evaluations()
def test_a_training_that_is_evaluated_at_every_epoch_keeps_nothing(
    tmp_path: Path, number: int, kinds: Sequence[str]
) -> None:
    warm_up = max(3, number // 10)
    counted = HeldAfter(warm_up - 1, warm_up + number - 1)
    other = [reference(tmp_path), "previous"]
    callback = evaluator(
        methods=[Gradient(), SmoothGrad(num_samples=2)], references=other, num_images=6, num_resamples=10, out=tmp_path
    )
    logger = TensorBoardLogger(tmp_path)
    fit([callback, counted], settings={"max_epochs": warm_up + number, "logger": logger})
    first, last = counted.found
    # the history of the numbers grows with the epochs, as it is meant to: a row in each
    grown = replace(last - first, objects=last.objects - first.objects - number)
    assert len(callback.history) == warm_up + number
    assert not leaks(grown, number, kinds), grown


@pytest.mark.filterwarnings("ignore")
@evaluations(short=2, long=100)
def test_one_training_after_the_other_keeps_nothing(tmp_path: Path, number: int, kinds: Sequence[str]) -> None:
    def train(_: int) -> None:
        callback = evaluator(num_images=6, superpixels=[Grid(4)], num_resamples=10, out=tmp_path)
        fit([callback], settings={"max_epochs": 1})

    grown = added(train, number, warm_up=2)
    # torch itself keeps every seed, for a GPU that it may find later
    grown = replace(grown, objects=0)
    assert not leaks(grown, number, kinds), grown


def keep_a_tensor(kept: list[object]) -> None:
    kept.append(torch.zeros(1))


def keep_a_figure(kept: list[object]) -> None:
    plt.figure(figsize=(1, 1))


def keep_a_file(kept: list[object]) -> None:
    kept.append(os.fdopen(os.open(__file__, os.O_RDONLY)))


def keep_a_thread(kept: list[object]) -> None:
    end = threading.Event()
    kept.append(end)
    threading.Thread(target=end.wait, daemon=True).start()


def keep_an_object(kept: list[object]) -> None:
    kept.append([kept])


def keep_memory(kept: list[object]) -> None:
    kept.append(b"\1" * (2 * MARGIN // SHORT))  # which the garbage collector does not count


def evaluate(_: int) -> None:
    Gradient().attribute(Net(), torch.rand(1, 3, 8, 8), torch.tensor([0]))


def test_an_evaluation_that_loses_nothing_is_not_accused() -> None:
    assert leaks(added(evaluate, SHORT, warm_up=2), SHORT, COUNTED) == []


LEAKS = {
    "tensors": keep_a_tensor,
    "figures": keep_a_figure,
    "files": keep_a_file,
    "threads": keep_a_thread,
    "objects": keep_an_object,
    "resident": keep_memory,
}


@pytest.mark.parametrize("kind", LEAKS)
@pytest.mark.filterwarnings("ignore:More than 20 figures")
def test_what_is_lost_at_every_evaluation_is_found(kind: str) -> None:
    kept: list[object] = []
    lose = LEAKS[kind]

    def evaluate_and_lose(number: int) -> None:
        evaluate(number)
        lose(kept)

    try:
        found = leaks(added(evaluate_and_lose, SHORT, warm_up=2), SHORT, EVERYTHING)
    finally:
        plt.close("all")
        for each in kept:
            if isinstance(each, threading.Event):
                each.set()
    assert kind in [each.partition(":")[0] for each in found]
