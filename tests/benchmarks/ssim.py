"""Time saliency_ssim against scikit-image and torchmetrics on one thread: `python -m tests.benchmarks.ssim`."""

import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from lightning_spx.metrics import saliency_ssim
from tests.metrics.reference_ssim import reference_ssim

REPEATS = 9


def median_seconds(call: Callable[[], object]) -> float:
    call()
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def scikit_image(first: Tensor, second: Tensor) -> list[float]:
    return [reference_ssim(a, b) for a, b in zip(first.numpy(), second.numpy(), strict=True)]


def main() -> None:
    torch.set_num_threads(1)
    print("processor time in ms per pair")
    print(f"{'maps':>5} {'px':>4} {'ours':>9} {'scikit-image':>13} {'ratio':>6} {'torchmetrics':>13} {'ratio':>6}")
    for images, side in ((1, 32), (400, 32), (64, 64), (1, 224), (24, 224)):
        generator = torch.Generator().manual_seed(0)
        first, second = torch.rand(2, images, side, side, generator=generator).unbind()
        theirs = median_seconds(partial(scikit_image, first.double(), second.double())) / images
        one_channel = first[:, None], second[:, None]
        metric = partial(structural_similarity_index_measure, *one_channel, data_range=1.0)
        torchmetrics = median_seconds(metric) / images
        ours = median_seconds(partial(saliency_ssim, first, second)) / images
        print(
            f"{images:>5} {side:>4} {ours * 1e3:>9.3f} {theirs * 1e3:>13.3f} {theirs / ours:>6.1f} "
            f"{torchmetrics * 1e3:>13.3f} {torchmetrics / ours:>6.1f}"
        )


if __name__ == "__main__":
    main()
