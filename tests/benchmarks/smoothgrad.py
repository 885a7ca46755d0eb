"""CPU time of S-SmoothGrad beside captum: `python -m tests.benchmarks.smoothgrad [--draws N] [NETWORK ...]`.

Each network of timm explains one image of 224 px in float32 with one thread. Own method, captum's `NoiseTunnel` of
`Saliency` (8 draws at once) and the bare forward and backward passes (8 at once) take turns; a ratio is the median over
turns. The difference is that of the own attribution from a plain loop over the same noise, relative in the L2 norm.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import captum.attr
import timm
import torch
from torch import Tensor, nn

from lightning_spx.attribution import Gradient, SmoothGrad, saliency_map
from lightning_spx.attribution.noise import noisy_copies
from lightning_spx.superpixels import Slic, segment_pool

AT_ONCE, STDEV = 8, 0.15


def passes(network: nn.Module, points: Tensor, target: int) -> Tensor:
    """Return the gradient at each point with nothing around the passes."""
    found = []
    for part in torch.split(points, AT_ONCE):
        variable = part.clone().requires_grad_()
        found.append(torch.autograd.grad(network(variable)[:, target].sum(), variable)[0])
    return torch.cat(found)


def main(name: str, draws: int, turns: int) -> None:
    """Print a line for a network."""
    torch.manual_seed(0)
    network = timm.create_model(name).eval()
    coarse = torch.rand(1, 3, 28, 28)
    image, target = nn.functional.interpolate(coarse, size=224, mode="bilinear"), torch.tensor([3])
    segments, method = Slic(n_segments=100)(image), SmoothGrad(Gradient(), num_samples=draws, stdev=STDEV)
    tunnel = captum.attr.NoiseTunnel(captum.attr.Saliency(network))
    noise = float(STDEV * (image.max() - image.min()))
    copies = torch.cat([each for _, each in noisy_copies(image, draws, STDEV, seed=0)])

    def own() -> Tensor:
        return saliency_map(segment_pool(method.attribute(network, image, target), segments))

    def peer() -> Tensor:
        found: Tensor = tunnel.attribute(
            image, nt_samples=draws, nt_samples_batch_size=AT_ONCE, stdevs=noise, target=target, abs=False
        )
        return saliency_map(segment_pool(found, segments))

    calls: dict[str, Callable[[], Tensor]] = {
        "own": own,
        "captum": peer,
        "passes": lambda: passes(network, copies, int(target)),
    }
    taken: dict[str, list[float]] = {what: [] for what in calls}
    for turn in range(turns + 1):
        for what in list(calls) if turn % 2 else reversed(calls):
            began = time.process_time()
            calls[what]()
            taken[what].append(time.process_time() - began)
    seconds = {what: statistics.median(values[1:]) for what, values in taken.items()}
    ratios = {
        what: statistics.median(b / a for a, b in zip(taken["own"][1:], taken[what][1:], strict=True))
        for what in ("captum", "passes")
    }
    loop = passes(network, copies, int(target)).mean(0, keepdim=True)
    apart = float((method.attribute(network, image, target) - loop).norm() / loop.norm())
    print(
        f"{name}, S-SmoothGrad-{draws}: {seconds['own']:.2f} s, captum {seconds['captum']:.2f} s "
        f"({ratios['captum']:.2f} times), bare passes {seconds['passes']:.2f} s ({ratios['passes']:.2f} times), "
        f"{apart:.1e} from a plain loop",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("networks", nargs="*", default=["vit_tiny_patch16_224", "convnext_tiny"])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--draws", type=int, default=50)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for each in given.networks:
        main(each, given.draws, given.turns)
