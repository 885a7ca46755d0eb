"""The timed cases: segments, gradients and their floor, pooled maps, and metrics, each beside its peers."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from lightning_spx.attribution import (
    Attribution,
    Gradient,
    InputXGradient,
    IntegratedGradients,
    MoreauGrad,
    SmoothGrad,
    SparsifiedSmoothGrad,
    VarGrad,
    saliency_map,
)
from lightning_spx.attribution.cam import ClassActivationMap
from lightning_spx.attribution.gradient import PIXELS_FOR_CHANNELS_LAST
from lightning_spx.attribution.guards import Precision, explaining
from lightning_spx.attribution.memory import largest_chunk
from lightning_spx.evaluation.benchmark.measure import OWN, Measurement, measure
from lightning_spx.evaluation.benchmark.peers import (
    POOLING_PEER,
    SCIKIT_IMAGE,
    SCIPY_LOOP,
    TORCHMETRICS,
    peer_of,
    pooling_loop,
    scaled_map,
    scikit_slic,
    scikit_ssim,
    spearman_loop,
    torchmetrics_ssim,
)
from lightning_spx.metrics import pair_distances, saliency_ssim
from lightning_spx.superpixels import Cached, ImagePooling, Segmenter, Slic, segment_pool

FLOOR = "forward and backward passes"
SEGMENTS, GRADIENTS, AFTER, WHOLE = "segments", "gradients", "after the gradients", "S- maps"
NUM_MODELS = 4  # of MeGe
MAPS_OF_METRICS = 32
CHUNK_ON_GPU = 256  # for the bare passes; larger chunks were not faster


@dataclass(frozen=True)
class Bench:
    """What all sections of the benchmark share.

    Args:
        network: in evaluation mode on the device.
        images: (N, C, H, W) in [0, 1] on the device, as many as the largest batch.
        methods: by their names in tables.
        poolings: segmenters and filters by their names in tables.
        batch_sizes: numbers of images in a call.
        repeats: number of turns of each measurement.
        max_evaluations: a call that needs more gradients is skipped.
        progress: wraps the numbers of turns or images in a progress bar with a description.
    """

    network: nn.Module
    images: Tensor
    methods: Mapping[str, Attribution]
    poolings: Mapping[str, ImagePooling]
    batch_sizes: list[int]
    repeats: int
    max_evaluations: int
    progress: Callable[[Iterable[int], str], Iterable[int]]

    @property
    def device(self) -> torch.device:
        """The device of images and network."""
        return self.images.device

    @property
    def segmenters(self) -> dict[str, Segmenter]:
        """The poolings that have segments."""
        return {name: each for name, each in self.poolings.items() if isinstance(each, Segmenter)}

    def target(self, images: Tensor) -> Tensor:
        """Return the predicted classes, (N,)."""
        with torch.no_grad():
            logits: Tensor = self.network(images)
        return logits.argmax(1)

    def timed(
        self, section: str, what: str, calls: Mapping[str, Callable[[], object]], images: int, evaluations: int = 0
    ) -> list[Measurement]:
        """Measure calls in turns; see `measure`."""
        turns = self.progress(range(self.repeats), f"{section}: {what}, {images} images")
        return measure(section, what, calls, images, turns=turns, device=self.device, evaluations=evaluations)


def num_evaluations(method: Attribution) -> int:
    """Return the number of gradients that a method evaluates for each image; 0 if it depends on the image.

    Example:
        >>> num_evaluations(SmoothGrad(IntegratedGradients(num_steps=20), num_samples=5))
        100
    """
    match method:
        case Gradient() | InputXGradient() | ClassActivationMap():
            return 1
        case IntegratedGradients():
            return method.num_steps
        case SmoothGrad() | VarGrad() | SparsifiedSmoothGrad():
            return method.num_samples * num_evaluations(method.base)
        case MoreauGrad():
            return method.num_steps * method.num_samples
    return 0


def segments_section(bench: Bench) -> Iterator[Measurement]:
    """Time every segmenter, alone and cached, and Slic beside scikit-image's."""
    for size in bench.batch_sizes:
        images = bench.images[:size]
        for name, segmenter in bench.segmenters.items():
            calls: dict[str, Callable[[], object]] = {OWN: partial(segmenter, images)}
            if isinstance(segmenter, Slic):
                calls[SCIKIT_IMAGE] = partial(scikit_slic, images, segmenter.n_segments, segmenter.compactness)
            yield from bench.timed(SEGMENTS, name, calls, size)
            with TemporaryDirectory() as folder:
                cached, index = Cached(segmenter, folder), torch.arange(size)
                by_pixels, by_place = partial(cached, images), partial(cached.of_index, images, "bench", index)
                # warm up both, so that neither is timed while it writes the files
                by_pixels(), by_place()
                yield from bench.timed(SEGMENTS, f"{name}, cached by pixels", {OWN: by_pixels}, size)
                yield from bench.timed(SEGMENTS, f"{name}, cached by place", {OWN: by_place}, size)


def gradients_section(bench: Bench) -> Iterator[Measurement]:
    """Time every method by pixel, beside its peer and beside its gradients alone."""
    for size in bench.batch_sizes:
        images = bench.images[:size]
        target = bench.target(images)
        for name, method in bench.methods.items():
            evaluations = num_evaluations(method)
            if evaluations * size > bench.max_evaluations:
                continue
            calls: dict[str, Callable[[], object]] = {OWN: partial(method.attribute, bench.network, images, target)}
            peer = peer_of(method, bench.network)
            if peer is not None:
                calls[peer[0]] = partial(peer[1], images, target)
            # a class activation map goes back only to its layer, not to the input
            if evaluations and not isinstance(method, ClassActivationMap):
                calls[FLOOR] = partial(passes, bench.network, images, evaluations, precision_of(method))
            yield from bench.timed(GRADIENTS, name, calls, size, evaluations)


def precision_of(method: Attribution) -> Precision:
    """Return the precision in which a method, or its base method, evaluates gradients.

    Example:
        >>> precision_of(SmoothGrad(Gradient(precision="bf16")))
        'bf16'
    """
    precision: Precision = getattr(getattr(method, "base", method), "precision", "fp32")
    return precision


def passes(network: nn.Module, images: Tensor, evaluations: int, precision: Precision = "fp32") -> None:
    """Run only the forward and backward passes to the input that a method needs, and nothing else."""
    at_once = CHUNK_ON_GPU if images.device.type == "cuda" else largest_chunk(images[0])
    chunk = min(at_once, evaluations * len(images))
    many = images.device.type == "cpu" and chunk * images[0, 0].numel() >= PIXELS_FOR_CHANNELS_LAST
    layout = torch.channels_last if many else torch.contiguous_format
    points = images.repeat(-(-chunk // len(images)), 1, 1, 1)[:chunk].contiguous(memory_format=layout)
    left = evaluations * len(images)
    with explaining(network, images.device, precision) as model:
        while left > 0:
            variable = points[:left].requires_grad_()
            torch.autograd.grad(model(variable)[:, 0].sum(), variable)
            variable.requires_grad_(False)
            left -= chunk


def pooled_section(bench: Bench) -> Iterator[Measurement]:
    """Time the steps after the gradients (segments, pooling, map) and the whole S- method beside a peer's."""
    for size in bench.batch_sizes:
        images = bench.images[:size]
        target = bench.target(images)
        attribution = torch.randn(images.shape, device=images.device)
        for name, pooling in bench.poolings.items():
            what = f"{name}, pooling, map" if isinstance(pooling, Segmenter) else f"{name}, map"
            yield from bench.timed(AFTER, what, {OWN: partial(s_map, pooling, images, attribution)}, size)
        for name, segmenter in bench.segmenters.items():
            with TemporaryDirectory() as folder:
                warm = Cached(segmenter, folder)
                warm(images)
                call = partial(s_map, warm, images, attribution)
                yield from bench.timed(AFTER, f"{name} cached, pooling, map", {OWN: call}, size)
        slic = next((each for each in bench.segmenters.values() if isinstance(each, Slic)), None)
        if slic is None:
            continue
        for name, method in bench.methods.items():
            evaluations = num_evaluations(method)
            if evaluations * size > bench.max_evaluations:
                continue
            calls: dict[str, Callable[[], object]] = {
                OWN: partial(s_method, method, bench.network, slic, images, target)
            }
            peer = peer_of(method, bench.network)
            if peer is not None and not isinstance(method, ClassActivationMap):
                calls[POOLING_PEER] = partial(peer_map, peer[1], slic, images, target)
            yield from bench.timed(WHOLE, f"S-{name}", calls, size, evaluations)


def s_map(pooling: ImagePooling, images: Tensor, attribution: Tensor) -> Tensor:
    """Pool an attribution and scale it."""
    return saliency_map(pooling.pool(attribution, images))


def s_method(method: Attribution, network: nn.Module, slic: Slic, images: Tensor, target: Tensor) -> Tensor:
    """Compute a whole S- map: explain, segment, pool and scale."""
    return s_map(slic, images, method.attribute(network, images, target))


def peer_map(explain: Callable[[Tensor, Tensor], Tensor], slic: Slic, images: Tensor, target: Tensor) -> object:
    """Compute the same map from a peer's attribution, scikit-image's segments and a loop over them."""
    attribution = explain(images, target).detach().cpu().numpy()
    return scaled_map(pooling_loop(attribution, scikit_slic(images, slic.n_segments, slic.compactness)))


def metrics_section(bench: Bench) -> Iterator[Measurement]:
    """Time the SSIM of pairs and the Spearman distances between four models."""
    size = bench.images.shape[-1]
    generator = torch.Generator().manual_seed(0)
    first, second = torch.rand(2, MAPS_OF_METRICS, size, size, generator=generator).to(bench.device)
    ssim: dict[str, Callable[[], object]] = {
        OWN: partial(saliency_ssim, first, second),
        TORCHMETRICS: partial(torchmetrics_ssim, first, second),
        SCIKIT_IMAGE: partial(scikit_ssim, first, second),
    }
    yield from bench.timed("metrics", "SSIM of a pair", ssim, MAPS_OF_METRICS)
    images = bench.images[: min(len(bench.images), 8)]
    noise = torch.rand(NUM_MODELS, len(images), *images.shape[-2:], generator=generator).to(bench.device)
    # filtered maps have no segments to make ranks faster
    segments = next(iter(bench.segmenters.values()), Slic())(images)
    pooled = torch.stack([segment_pool(maps[:, None], segments)[:, 0] for maps in noise])
    for what, maps, known in (("S- maps", pooled, segments), ("pixel maps", noise, None)):
        calls: dict[str, Callable[[], object]] = {
            OWN: partial(pair_distances, maps, "spearman", known),
            SCIPY_LOOP: partial(spearman_loop, maps.cpu().numpy()),
        }
        yield from bench.timed("metrics", f"Spearman of {NUM_MODELS} models, {what}", calls, len(images))
