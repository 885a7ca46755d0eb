"""Compares the times: what is added to the gradients, and how much of the device the gradients use."""

from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lightning_spx.attribution.cam import ClassActivationMap
from lightning_spx.attribution.guards import Precision, explaining
from lightning_spx.evaluation.benchmark.cases import AFTER, GRADIENTS, Bench, precision_of
from lightning_spx.evaluation.benchmark.measure import OWN, seconds

MATRIX = {"cpu": 2048, "cuda": 8192}  # rows of the matrix product that shows what a device can do
SMALLEST = 128  # rows of the product that is tried first
LONG_ENOUGH = 0.1  # seconds of a product that shows the speed
TURNS = 5
ARITHMETIC = ["method", "batch", "precision", "gflop", "tflops", "product_tflops", "share"]


def shares(table: pd.DataFrame) -> pd.DataFrame:
    """Return what segments, pooling and map add to the gradients, for every timed method and batch.

    Args:
        table: rows of `Measurement.row`.

    Returns:
        Columns `what`, `method`, `batch`, `milliseconds` per image, `gradients` (milliseconds per image) and `share`.

    Example:
        >>> row = dict(section="gradients", what="Gradient", by=OWN, batch=8, milliseconds=100.0)
        >>> rows = [row, {**row, "section": "after the gradients", "what": "Slic", "milliseconds": 5.0}]
        >>> shares(pd.DataFrame(rows))["share"].tolist()
        [0.05]
    """
    own = table[table["by"] == OWN]
    after = own[own["section"] == AFTER][["what", "batch", "milliseconds"]]
    gradients = own[own["section"] == GRADIENTS][["what", "batch", "milliseconds"]]
    gradients = gradients.rename(columns={"what": "method", "milliseconds": "gradients"})
    both = after.merge(gradients, on="batch")
    both["share"] = both["milliseconds"] / both["gradients"]
    return both[["what", "method", "batch", "milliseconds", "gradients", "share"]]


def arithmetic(bench: Bench, table: pd.DataFrame) -> pd.DataFrame:
    """Compare the speed of the gradients with a large matrix product in the same precision on the same device.

    Returns:
        Columns `method`, `batch`, `precision`, `gflop` of one gradient, `tflops` reached, `product_tflops` and `share`.
    """
    gflop = gflop_of_a_gradient(bench.network, bench.images[:1])
    rows = []
    own = table[(table["by"] == OWN) & (table["section"] == GRADIENTS) & (table["evaluations"] > 0)]
    # a class activation map goes back only to its layer, not to the input
    own = own[[not isinstance(bench.methods[str(name)], ClassActivationMap) for name in own["what"]]]
    products: dict[Precision, float] = {}
    for row in own.to_dict("records"):
        precision = precision_of(bench.methods[str(row["what"])])
        if precision not in products:
            products[precision] = product_tflops(bench.device, precision)
        reached = gflop * row["evaluations"] / row["milliseconds"]
        rows.append(
            {
                "method": row["what"],
                "batch": row["batch"],
                "precision": precision,
                "gflop": gflop,
                "tflops": reached,
                "product_tflops": products[precision],
                "share": reached / products[precision],
            }
        )
    return pd.DataFrame(rows, columns=ARITHMETIC)


def gflop_of_a_gradient(network: nn.Module, image: Tensor) -> float:
    """Count the multiplications and additions of a forward and a backward pass to the input, in billions.

    Args:
        network: takes the image.
        image: `(1, C, H, W)`.

    Example:
        >>> gflop_of_a_gradient(nn.Sequential(nn.Flatten(), nn.Linear(1000, 1000)), torch.zeros(1, 1, 1, 1000))
        0.004
    """
    counter = FlopCounterMode(display=False)
    with explaining(network, image.device, "fp32") as model, counter:
        torch.autograd.backward(model(image.clone().requires_grad_()).sum())
    return counter.get_total_flops() / 1e9


def product_tflops(device: torch.device, precision: Precision) -> float:
    """Return the speed of the device in a product of two large matrices, in trillions of operations per second.

    On a GPU float32 is rounded to TF32 if convolutions round it (`torch.backends.cudnn.allow_tf32`).
    """
    largest = MATRIX.get(device.type, 2048)
    whole = torch.randn(largest, largest, device=device, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
    with _rounded_as_in_convolutions(device):
        # a processor without bf16 takes minutes for the largest product, and reaches its speed in a small one
        size = SMALLEST
        while size < largest and _product_seconds(whole, size, 2) < LONG_ENOUGH:
            size *= 2
        fastest = _product_seconds(whole, size, 1 + TURNS)
    return float(2 * size**3 / fastest / 1e12)


def _product_seconds(whole: Tensor, size: int, turns: int) -> float:
    """Return the seconds of the fastest of some products of a matrix, cut to a size, with itself."""
    matrix = whole[:size, :size].contiguous()
    return min(seconds(lambda: matrix @ matrix, whole.device) for _ in range(turns))


@contextmanager
def _rounded_as_in_convolutions(device: torch.device) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high" if torch.backends.cudnn.allow_tf32 else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
