"""How time grows with images, draws, segments and models, memory with steps, and a study with segmenters."""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from math import comb
from tempfile import TemporaryDirectory

import torch

from lightning_spx.attribution import Gradient, IntegratedGradients, SmoothGrad
from lightning_spx.evaluation.benchmark.cases import Bench, s_map
from lightning_spx.evaluation.benchmark.measure import OWN, Measurement, seconds
from lightning_spx.evaluation.maps.guides import segment_images
from lightning_spx.evaluation.maps.pooling_lists import make_poolings
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.evaluation.statistics.comparison import ComparisonSettings, compare
from lightning_spx.evaluation.statistics.image_facts import ImageFacts
from lightning_spx.reporting.rows import AFTER, BEFORE
from lightning_spx.superpixels import Cached, Segmenter, Slic

FEW_STEPS, MANY_STEPS = 10, 1000
COMPARED_IMAGES = (2, 4, 8, 16)
COMPARED_MODELS = (2, 3, 5, 8)
STUDY_SIZES = (50, 75, 100, 150, 200, 300)


def growth_section(bench: Bench) -> Iterator[Measurement]:
    """Time S-Gradient over images, S-SmoothGrad over draws, pooling over segments, and comparisons of maps.

    Comparisons grow with images and with models: what belongs to a map is computed once for all pairs that it is in, so
    time should grow linearly with images, and with pairs less than linearly.
    """
    most = len(bench.images)
    for count in sorted({max(1, most // part) for part in (8, 4, 2, 1)}):
        images = bench.images[:count]
        target = bench.target(images)
        call = partial(_explained, bench, Slic(), images, target, 1)
        yield from _whole(bench, "images", count, call)
    image = bench.images[:1]
    target = bench.target(image)
    for draws in (8, 16, 32, 64):
        yield from _whole(bench, "draws", draws, partial(_explained, bench, Slic(), image, target, draws))
    attribution = torch.randn(bench.images.shape, device=bench.device)
    for asked in (50, 100, 200, 400):
        yield from _whole(bench, "segments", asked, partial(s_map, Slic(asked), bench.images, attribution))
    for count in COMPARED_IMAGES:
        yield from _whole(bench, "compared images", count, _comparison(bench, count, COMPARED_MODELS[0]))
    over_models = {
        models: list(_whole(bench, "models", models, _comparison(bench, COMPARED_IMAGES[0], models)))
        for models in COMPARED_MODELS
    }
    yield from (each for found in over_models.values() for each in found)
    for models, found in over_models.items():
        yield from (replace(each, section="growth over pairs", what=str(comb(models, 2))) for each in found)


def _comparison(bench: Bench, count: int, models: int) -> Callable[[], object]:
    """Return a call that compares the maps of models on images, by pixel, by segments and in the controls."""
    images = bench.images[torch.arange(count) % len(bench.images)]
    labels, index, permutation = torch.zeros(count, dtype=torch.int64), torch.arange(count), derangement(count, seed=0)
    facts = ImageFacts(index, labels, labels.expand(models, -1), None, permutation)
    attributions = torch.randn(models, *images.shape, generator=torch.Generator().manual_seed(0))
    poolings = make_poolings(segment_images({"Slic": Slic()}, images, count, bench.device), index, permutation, 0)
    return partial(compare, attributions, poolings, facts, ComparisonSettings((AFTER, BEFORE), False, seed=0), ("l2",))


def _explained(bench: Bench, slic: Slic, images: torch.Tensor, target: torch.Tensor, draws: int) -> torch.Tensor:
    method = Gradient() if draws == 1 else SmoothGrad(num_samples=draws)
    return s_map(slic, images, method.attribute(bench.network, images, target))


def _whole(bench: Bench, over: str, count: int, call: Callable[[], object]) -> Iterator[Measurement]:
    # counted as one image, so that the time is that of the whole call, which should grow linearly from the origin
    found = bench.timed(f"growth over {over}", str(count), {OWN: call}, 1)
    yield from (replace(each, batch=len(bench.images)) for each in found)


def memory_section(bench: Bench) -> Iterator[Measurement]:
    """Measure the memory of integrated gradients with few and with many steps, in chunks of the same size."""
    image = bench.images[:1]
    target = bench.target(image)
    once = replace(bench, repeats=1)
    for steps in (FEW_STEPS, MANY_STEPS):
        method = IntegratedGradients(num_steps=steps, chunk_size=FEW_STEPS)
        call = partial(method.attribute, bench.network, image, target)
        yield from once.timed("memory", f"IntegratedGradients({steps})", {OWN: call}, 1, steps)


def study_section(bench: Bench) -> Iterator[Measurement]:
    """Time a stability study of two models under SmoothGrad with one segmenter and with six, from cached segments.

    Both studies need the same gradients, which are computed once; their mean time is added to what is timed.
    """
    method = SmoothGrad()
    # a derangement needs two images
    images = bench.images[: max(2, bench.max_evaluations // method.num_samples)]
    target = bench.target(images).cpu()
    explained = []
    for seed in range(2):
        call = partial(replace(method, seed=seed).attribute, bench.network, images, target)
        explained.append(seconds(call, bench.device))
    gradients = 2 * statistics.mean(explained)
    attributions = torch.randn(2, *images.shape, generator=torch.Generator().manual_seed(0))
    permutation = derangement(len(images), seed=0)
    index = torch.arange(len(images))
    study = ImageFacts(index, target, target.expand(2, -1), None, permutation)
    with TemporaryDirectory() as folder:
        every: dict[str, Segmenter] = {f"Slic{size}": Cached(Slic(size), folder) for size in STUDY_SIZES}
        segment_images(every, images, len(images), bench.device)

        def run(count: int) -> None:
            segmenters = dict(list(every.items())[:count])
            segments = segment_images(segmenters, images, len(images), bench.device)
            poolings = make_poolings(segments, index, permutation, 0)
            compare(attributions, poolings, study, ComparisonSettings((AFTER, BEFORE), False, seed=0), ("l2",))

        for count in (1, len(STUDY_SIZES)):
            (found,) = bench.timed("study", f"segmenters: {count}", {OWN: partial(run, count)}, len(images), 100)
            per_image = 1000 * gradients / len(images)
            yield replace(found, milliseconds=tuple(each + per_image for each in found.milliseconds))
