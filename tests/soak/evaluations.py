"""One evaluation with everything that the package has, for tests that repeat it many times."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torchmetrics import Metric

from lightning_spx.attribution import saliency_map
from lightning_spx.attribution.method import Model
from lightning_spx.metrics import IROF, ROAD, Deletion, FidelityError, Insertion
from lightning_spx.models import SeparationAUC
from lightning_spx.reporting import map_panel, mege_table, partitions_figure, render_page, stability_bars
from lightning_spx.superpixels import Cached, Precomputed, ScikitSlic, Segmenter, Slic, num_segments, segment_pool
from tests.attribution.cases import METHODS
from tests.metrics.test_contract import CASES
from tests.pictures import drawn
from tests.reporting.cases import row, table
from tests.reporting.test_page import page
from tests.superpixels.conftest import draw
from tests.superpixels.test_contract import SEGMENTERS

IMAGES = draw(2, 16, 16)
TARGET = torch.tensor([0, 3])
# of maps alone; these are compared by the way with themselves turned around
METRICS: list[Metric] = [case.build() for case in CASES.values()]
# of a model and its maps, besides
MODEL_METRICS: list[Metric] = [
    Deletion(num_steps=4),
    Insertion(num_steps=4),
    ROAD(fractions=(0.3, 0.6)),
    IROF(mean=(0.5, 0.5, 0.5)),
]
OTHER_METRICS: list[Metric] = [FidelityError(), SeparationAUC()]


def segmenters(folder: Path) -> list[Segmenter]:
    """Every segmenter, those that keep files in a folder included."""
    precomputed = Precomputed(folder / "maps")
    precomputed.write(IMAGES, Slic(n_segments=9)(IMAGES))
    return [*SEGMENTERS, ScikitSlic(n_segments=9), Cached(Slic(n_segments=9), folder / "cache"), precomputed]


def measure(metric: Metric, *inputs: object) -> None:
    """Use a metric for one epoch."""
    metric.update(*inputs)
    metric.compute()
    metric.reset()


def explain(model: Model, chosen: Sequence[Segmenter]) -> None:
    """Explain two images by every method, pool by every segmenter, and measure with every metric."""
    segments = [segmenter(IMAGES) for segmenter in chosen]
    for method in METHODS:
        attribution = method.attribute(model, IMAGES, TARGET)
        maps = [saliency_map(attribution)]
        maps += [saliency_map(segment_pool(attribution, ids)) for ids in segments]
        measure(OTHER_METRICS[0], maps[1], maps[0])
    for metric in MODEL_METRICS:
        extra = [segments[0]] if isinstance(metric, IROF) else []
        measure(metric, model, IMAGES, TARGET, maps[1], *extra)
    for metric, case in zip(METRICS, CASES.values(), strict=True):
        measure(metric, *case.inputs(3))
    measure(OTHER_METRICS[1], torch.rand(4), torch.rand(4))


def bars() -> Figure:
    return stability_bars(table(row(), row("Slic", gain=0.1, gain_low=0.05, gain_high=0.2)), "saliency_ssim")


def numbers() -> Figure:
    return mege_table(table(row(metric="mege", setting="distance=l2")))


def panel() -> Figure:
    maps = torch.rand(2, 2, 16, 16)
    return map_panel(IMAGES, {"Slic": torch.zeros(2, 16, 16).long()}, maps, {"Slic": maps}, ["one", "two"], "Gradient")


def partitions() -> Figure:
    ids: Tensor = Slic(n_segments=9)(IMAGES[:1])
    measured = {"image": "a", "superpixels": "Slic", "num_segments": int(num_segments(ids)), "milliseconds": 1.0}
    return partitions_figure(["a"], IMAGES[:1].permute(0, 2, 3, 1).numpy(), {"Slic": [ids[0].numpy()]}, table(measured))


FIGURES: tuple[Callable[[], Figure], ...] = (bars, numbers, panel, partitions)


def show(number: int) -> None:
    """Write one of the figures as a picture, a page of results, and what one of the metrics draws itself."""
    with drawn():
        FIGURES[number % len(FIGURES)]().savefig(io.BytesIO(), dpi=50)
    render_page(page())
    case = list(CASES.values())[number % len(CASES)]
    metric = case.build()
    metric.update(*case.inputs(3))
    figure, _ = metric.plot()
    assert isinstance(figure, Figure)
    plt.close(figure)  # pyplot's, and so the caller's to close
