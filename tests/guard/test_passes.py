"""Passes are counted by image, by methods whose numbers are known by hand, whoever calls the network."""

import pickle
import threading
from collections.abc import Callable
from typing import Any

import captum.attr
import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch._C._distributed_c10d import HashStore
from torch.nn.parallel import DistributedDataParallel

from lightning_spx.attribution import (
    Attribution,
    FeatureAblation,
    FromCaptum,
    GradCAM,
    Gradient,
    InputXGradient,
    IntegratedGradients,
    KernelShap,
    Lime,
    SegmentAttribution,
    ShapleyValueSampling,
    SmoothGrad,
)
from lightning_spx.guard import Passes, count_passes
from lightning_spx.superpixels import Grid
from tests.attribution.cases import Net, images, targets

NUM = 8
# forward and backward passes of one image; captum's come after one that looks at its logits
COSTS: list[tuple[Attribution, int, int]] = [
    (Gradient(), 1, 1),
    (Gradient(chunk_size=3), 1, 1),
    (InputXGradient(), 1, 1),
    (IntegratedGradients(num_steps=6), 6, 6),
    (SmoothGrad(num_samples=5), 5, 5),
    (SmoothGrad(IntegratedGradients(num_steps=3), num_samples=2), 6, 6),
    (GradCAM(), 1, 1),
    (FromCaptum(captum.attr.Saliency), 2, 1),
    (SegmentAttribution(FeatureAblation(), Grid(4)), 5, 0),
    (SegmentAttribution(FeatureAblation(), Grid(4), chunk_size=2), 5, 0),
    (SegmentAttribution(ShapleyValueSampling(3), Grid(4)), 1 + 3 * 4, 0),
    (SegmentAttribution(KernelShap(12), Grid(4)), 12, 0),
    (SegmentAttribution(Lime(12), Grid(4)), 12, 0),
]


@pytest.mark.parametrize(("method", "forward", "backward"), COSTS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(
    "wrap", [lambda network: network, nn.Sequential, lambda network: nn.Sequential(Wrapped(network))]
)
def test_a_method_makes_the_passes_that_it_says(
    method: Attribution, forward: int, backward: int, wrap: Callable[[nn.Module], nn.Module]
) -> None:
    network = Net()
    with count_passes(network) as passes:
        method.attribute(wrap(network), images(NUM), targets(NUM))
    assert (passes.forward, passes.backward) == (NUM * forward, NUM * backward)


class Wrapped(nn.Module):
    """Returns more than logits, as a user's class does."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor]:
        return self.network(points), points


def test_nothing_stays_in_the_network_nor_in_the_map() -> None:
    network, other = Net(), Net()
    before = pickle.dumps(network.state_dict()), {name: repr(value) for name, value in vars(network).items()}
    with count_passes(network):
        counted = SmoothGrad(num_samples=2).attribute(network, images(), targets())
    assert (pickle.dumps(network.state_dict()), {name: repr(value) for name, value in vars(network).items()}) == before
    assert torch.equal(counted, SmoothGrad(num_samples=2).attribute(other, images(), targets()))
    with pytest.raises(ZeroDivisionError), count_passes(network):
        _ = 1 / 0
    assert not network._forward_hooks


def test_counting_ends_with_the_context_also_for_graphs_that_outlive_it() -> None:
    network = Net().eval()
    with count_passes(network) as passes:
        logits = network(images().requires_grad_())
        logits[:, 0].sum().backward(retain_graph=True)
        logits[:, 1].sum().backward(retain_graph=True)
    logits[:, 2].sum().backward()
    network(images())
    assert (passes.forward, passes.backward) == (4, 8)


def test_one_pass_of_several_outputs_is_one_and_an_unused_output_none() -> None:
    class Several(nn.Module):
        def forward(self, points: Tensor) -> dict[str, Any]:
            return {"loss": points.sum(), "logits": points.flatten(1), "states": [points * 2, points * 3], "name": "x"}

    network = Several()
    with count_passes(network) as passes:
        returned = network(images().requires_grad_())
        (returned["logits"].sum() + returned["states"][1].sum()).backward()
        network(images().requires_grad_())["states"][0].sum().backward()
        network(images().requires_grad_())
    assert (passes.forward, passes.backward) == (12, 8)


def test_what_returns_no_batch_counts_nothing() -> None:
    class Silent(nn.Module):
        def forward(self, points: Tensor) -> object:
            return (float(points.sum()), points.sum())

    network = Silent()
    with count_passes(network) as passes:
        network(images())
    assert (passes.forward, passes.backward) == (0, 0)


def test_the_surroundings_of_a_method_hide_nothing() -> None:
    network = Net()
    with count_passes(network) as passes, torch.inference_mode():
        Gradient().attribute(network, images(), targets())
    assert (passes.forward, passes.backward) == (4, 4)


def test_contexts_inside_one_another_count_their_own() -> None:
    network, part = Net().eval(), images(2)
    with count_passes(network) as outer:
        network(part)
        with count_passes(network) as inner, count_passes(network.conv1) as layer:
            network(part)
    assert (outer.forward, inner.forward, layer.forward) == (4, 2, 2)
    assert isinstance(outer, Passes)


def test_all_threads_are_counted() -> None:
    network = Net()

    def explain() -> None:
        for _ in range(5):
            network(images().requires_grad_()).sum().backward()

    network.eval()
    threads = [threading.Thread(target=explain) for _ in range(4)]
    with count_passes(network) as passes:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (passes.forward, passes.backward) == (80, 80)


def test_what_is_explained_of_a_distributed_network_is_counted() -> None:
    dist.init_process_group("gloo", store=HashStore(), rank=0, world_size=1)
    try:
        network = DistributedDataParallel(Net())
        with count_passes(network) as passes:
            Gradient().attribute(network, images(), targets())
        assert (passes.forward, passes.backward) == (4, 4)
    finally:
        dist.destroy_process_group()


def in_place(network: nn.Module) -> nn.Module:
    network.compile(backend="eager")
    return network


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.parametrize(
    "build",
    [torch.jit.script, torch.fx.symbolic_trace, lambda network: torch.compile(network, backend="eager"), in_place],
    ids=["scripted", "fx", "compiled", "compiled-in-place"],
)
def test_compiled_networks_are_counted(build: Callable[[nn.Module], nn.Module]) -> None:
    network = build(Net().eval())
    with count_passes(network) as passes:
        counted = Gradient().attribute(network, images(), targets())
    assert (passes.forward, passes.backward) == (4, 4)
    assert torch.allclose(counted, Gradient().attribute(Net(), images(), targets()), atol=1e-6)
