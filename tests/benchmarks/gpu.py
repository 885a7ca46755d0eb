"""What a GPU is for, each beside what a user would take instead: `make gpu`, or `python -m tests.benchmarks.gpu`.

Medians of turns, in milliseconds per image, pair or call. Without a GPU the same calls run on the CPU with a small
network and few draws, to show that they run: those times say nothing.
"""

from collections.abc import Callable, Iterator
from functools import partial
from math import comb

import torch
from rich.console import Console
from torch import Tensor, nn
from torchmetrics.functional.image import structural_similarity_index_measure
from torchvision.models import resnet50

from lightning_spx.attribution import Gradient, SmoothGrad
from lightning_spx.attribution.guards import Precision
from lightning_spx.evaluation.benchmark.cases import s_method
from lightning_spx.evaluation.benchmark.measure import OWN, Measurement, measure
from lightning_spx.evaluation.benchmark.peers import SCIKIT_IMAGE, TORCHMETRICS, peer_of, scikit_slic
from lightning_spx.evaluation.benchmark.processor import Processor
from lightning_spx.evaluation.maps.pooling_lists import make_poolings
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.evaluation.statistics.comparison import ComparisonSettings, compare
from lightning_spx.evaluation.statistics.image_facts import ImageFacts
from lightning_spx.metrics import saliency_ssim
from lightning_spx.models import SmallResNet
from lightning_spx.superpixels import Slic

PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
ON_GPU = torch.cuda.is_available()
DEVICE = torch.device("cuda" if ON_GPU else "cpu")
SIDE, BATCH, DRAWS, MODELS, TURNS = (224, 64, 50, 8, 5) if ON_GPU else (32, 2, 2, 3, 1)


def timed(what: str, calls: dict[str, Callable[[], object]], count: int) -> list[Measurement]:
    """Time calls in turns; one that fails is a line, and the others go on."""
    try:
        return measure("", what, calls, count, turns=range(TURNS), device=DEVICE)
    except (RuntimeError, TypeError, ValueError) as error:
        print(f"left out: {what}: {str(error).splitlines()[0]}")
        return []


def gradients(network: nn.Module, images: Tensor, target: Tensor) -> Iterator[Measurement]:
    """S-SmoothGrad in two precisions beside captum's draws alone, and S-Gradient of one image."""
    for precision in PRECISIONS:
        method = SmoothGrad(Gradient(precision=precision), num_samples=DRAWS)
        calls: dict[str, Callable[[], object]] = {OWN: partial(s_method, method, network, Slic(), images, target)}
        peer = peer_of(method, network)
        if peer is None:
            print("left out: captum is not installed")
        else:
            calls[peer[0]] = partial(peer[1], images, target)
        yield from timed(f"S-SmoothGrad-{DRAWS}, {precision}, {len(images)} images", calls, len(images))
    one = partial(s_method, Gradient(), network, Slic(), images[:1], target[:1])
    yield from timed("S-Gradient of one image", {OWN: one}, 1)


def comparison(images: Tensor) -> list[Measurement]:
    """The comparison of all pairs of models, by pixel, in segments and in controls, maps on the device."""
    chosen = images[:8]
    index, permutation = torch.arange(len(chosen)), derangement(len(chosen), 0)
    label = torch.zeros(len(chosen), dtype=torch.int64)
    facts = ImageFacts(index, label, label.expand(MODELS, -1), None, permutation)
    poolings = make_poolings({"Slic": Slic(200)(chosen)}, index, permutation, 0)
    attributions = torch.randn(MODELS, *chosen.shape, device=DEVICE)
    settings = ComparisonSettings(magnitudes=["after", "before"], has_one_order=False, seed=0)
    call = partial(compare, attributions, poolings, facts, settings, ["l2"])
    return timed(f"comparison of {comb(MODELS, 2)} pairs", {OWN: call}, len(chosen))


def main() -> None:
    """Print the table."""
    console = Console()
    console.print(torch.cuda.get_device_name() if ON_GPU else f"no GPU: a small case on the CPU ({Processor.here()})")
    if not ON_GPU:
        torch.set_num_threads(1)
    network = (resnet50() if ON_GPU else SmallResNet(width=4)).eval().to(DEVICE)
    coarse = torch.rand(BATCH, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    images = nn.functional.interpolate(coarse, size=SIDE, mode="bicubic").clamp(0, 1).to(DEVICE)
    target = torch.zeros(BATCH, dtype=torch.int64, device=DEVICE)
    maps = images.mean(1, keepdim=True), images.flip(0).mean(1, keepdim=True)
    torchmetrics = partial(structural_similarity_index_measure, *maps, data_range=1.0)
    slic: dict[str, Callable[[], object]] = {
        OWN: partial(Slic(), images),
        SCIKIT_IMAGE: partial(scikit_slic, images, 100, 10.0),
    }
    rows = [
        *gradients(network, images, target),
        *timed(f"Slic, {BATCH} images", slic, BATCH),
        *timed(f"SSIM, {BATCH} pairs", {OWN: partial(saliency_ssim, *maps), TORCHMETRICS: torchmetrics}, BATCH),
        *comparison(images),
    ]
    own = {row.what: sorted(row.milliseconds)[TURNS // 2] for row in rows if row.by == OWN}
    for row in rows:
        median = sorted(row.milliseconds)[TURNS // 2]
        ratio = "" if row.by == OWN else f"{median / own[row.what]:8.2f} times ours"
        print(f"{row.what:<34} {row.by:<16} {median:10.3f} ms{ratio}")


if __name__ == "__main__":
    main()
