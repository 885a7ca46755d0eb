"""A small benchmark that shows no progress."""

from collections.abc import Iterable

from torch import nn

from lightning_spx.attribution import (
    Gradient,
)
from lightning_spx.evaluation.benchmark.cases import (
    Bench,
)
from lightning_spx.superpixels import Slic
from tests.attribution.cases import images


def silent(turns: Iterable[int], description: str) -> Iterable[int]:
    return turns


def bench_of(network: nn.Module) -> Bench:
    return Bench(network, images(), {"Gradient": Gradient()}, {"Slic": Slic(4)}, [2], 1, 100, silent)
