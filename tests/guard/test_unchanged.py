"""Whatever a model does while it is explained or measured, nothing of it is left; independent: its state before."""

import copy
import functools
import random
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.ao.quantization import get_default_qat_qconfig, prepare_qat
from torchmetrics.classification import MulticlassAccuracy, MulticlassAUROC

from lightning_spx.attribution import GradCAM, Gradient, SmoothGrad
from lightning_spx.guard import unchanged
from lightning_spx.metrics import deletion
from lightning_spx.metrics.probability import target_probability

CPU = torch.device("cpu")
COUNTED: Counter[str] = Counter()
TOTAL = 0
TARGET = torch.tensor([0, 1, 2, 0])
USES: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    "Gradient": lambda model, pixels: Gradient().attribute(model, pixels, TARGET),
    "SmoothGrad": lambda model, pixels: SmoothGrad(num_samples=3).attribute(model, pixels, TARGET),
    "GradCAM": lambda model, pixels: GradCAM("convolution").attribute(model, pixels, TARGET),
    "target_probability": lambda model, pixels: target_probability(model, pixels, TARGET),
    "deletion": lambda model, pixels: deletion(model, pixels, TARGET, pixels[:, 0], 2),
}
every_use = pytest.mark.parametrize("use", USES.values(), ids=USES.keys())


def images() -> Tensor:
    return torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.2


class Tracker:
    def __init__(self) -> None:
        self.calls = 0
        self.kept: dict[str, list[Tensor]] = {"logits": [torch.zeros(1)]}


class Busy(nn.Module):
    """A network that changes about everything that a module can hold."""

    window: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.dropout, self.head = nn.Dropout(0.5), nn.Linear(4, 3)
        self.register_buffer("window", torch.zeros(3))
        self.register_buffer("count", torch.tensor(0))
        self.calls, self.note, self.array = 0, "before", np.zeros(3)
        self.history, self.recent, self.named = [1.0], deque([1.0], maxlen=2), {"mean": torch.zeros(2)}
        self.labels, self.tracker = {3}, Tracker()
        self.accuracy = MulticlassAccuracy(num_classes=3)
        self.area = MulticlassAUROC(num_classes=3)
        self.unlisted = [nn.BatchNorm1d(3)]

    def forward(self, pixels: Tensor) -> Tensor:
        features = self.dropout(self.norm(self.convolution(pixels))).mean((2, 3))
        logits: Tensor = self.unlisted[0](self.head(features))
        with torch.no_grad():
            self.window += logits.mean(0)
            self.count = self.count + 1
            self.head.bias.mul_(1.0).add_(0.01)
            self.norm.register_buffer("running_mean", torch.ones(4))
            self.named["mean"].add_(1)
            self.tracker.kept["logits"][0] += 1
        self.calls, self.note = self.calls + 1, "after"
        self.array += 1
        self.history.append(float(logits.mean()))
        self.recent.append(2.0)
        self.labels.add(5)
        self.tracker.calls += 1
        self.tracker.kept["logits"].append(logits)
        self.accuracy.update(logits.detach(), torch.arange(len(logits)) % 3)
        self.area.update(logits.detach(), torch.arange(len(logits)) % 3)
        self.cache = logits
        self.convolution.__dict__["last"] = 3
        random.random()
        np.random.rand()
        torch.rand(1)
        return logits


def seen(module: Busy) -> list[Any]:
    """All that can be seen of it, as plain values, and which objects hold it."""
    metrics = [
        [value.tolist() if isinstance(value, Tensor) else len(value) for value in metric.metric_state.values()]
        for metric in (module.accuracy, module.area)
    ]
    return [
        [(name, id(value), value.tolist()) for name, value in module.state_dict(keep_vars=True).items()],
        [(name, id(value)) for part in module.modules() for name, value in vars(part).items()],
        [part.training for part in (*module.modules(), module.unlisted[0])],
        [(name, value.tolist()) for name, value in module.unlisted[0].state_dict().items()],
        [parameter.requires_grad for parameter in module.parameters()],
        [module.calls, module.note, module.array.tolist(), module.history[:], list(module.recent), set(module.labels)],
        [module.named["mean"].tolist(), module.tracker.calls, [t.tolist() for t in module.tracker.kept["logits"]]],
        [metrics, module.accuracy._update_count, module.area._update_count],
        [random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()],
    ]


@every_use
@pytest.mark.parametrize("inference", [False, True], ids=["plain", "inference mode"])
def test_nothing_that_a_model_holds_is_changed(use: Callable[[nn.Module, Tensor], Tensor], inference: bool) -> None:
    module = Busy().train()
    module(images())
    before = seen(module)
    with torch.inference_mode(inference):
        use(module, images())
    assert seen(module) == before


@every_use
def test_an_error_leaves_nothing_either(use: Callable[[nn.Module, Tensor], Tensor]) -> None:
    module = Busy().train()
    before = seen(module)
    module.head.in_features = 4
    handle = module.head.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        use(module, images())
    handle.remove()
    assert seen(module) == before


class Hook:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *_: object) -> None:
        self.calls += 1

    def method(self, *_: object) -> None:
        self.calls += 1


def global_hook(*_: object) -> None:
    global TOTAL
    TOTAL += 1
    COUNTED["calls"] += 1


@every_use
def test_hooks_that_count_count_nothing(use: Callable[[nn.Module, Tensor], Tensor]) -> None:
    module, listed, hooks = Busy().eval(), list[int](), [Hook(), Hook()]
    total = 0

    def enclosing(*_: object) -> None:
        nonlocal total
        total += 1
        listed.append(total)

    module.register_forward_hook(enclosing)
    module.convolution.register_forward_hook(hooks[0])
    module.head.register_forward_pre_hook(hooks[1].method)
    module.head.register_full_backward_hook(global_hook)
    module.norm.register_forward_hook(global_hook)
    handle = nn.modules.module.register_module_forward_hook(global_hook)
    before = (TOTAL, dict(COUNTED))
    use(module, images())
    handle.remove()
    assert (total, listed, [hook.calls for hook in hooks]) == (0, [], [0, 0])
    assert (TOTAL, dict(COUNTED)) == before


@every_use
def test_observers_of_quantization_learn_nothing(use: Callable[[nn.Module, Tensor], Tensor]) -> None:
    rest = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    network = nn.Sequential(OrderedDict(convolution=nn.Conv2d(3, 4, 3), rest=rest))
    vars(network.train())["qconfig"] = get_default_qat_qconfig("fbgemm")
    network = prepare_qat(network)
    network(images())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    use(network, images() * 3)
    after = network.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


@every_use
def test_the_callers_images_are_not_changed(use: Callable[[nn.Module, Tensor], Tensor]) -> None:
    class InPlace(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.convolution, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

        def forward(self, pixels: Tensor) -> Tensor:
            if not pixels.requires_grad:  # autograd refuses it of a leaf
                pixels.sub_(0.5).div_(0.25)
            else:
                pixels = (pixels - 0.5) / 0.25
            logits: Tensor = self.head(torch.tanh(self.convolution(pixels)).mean((2, 3)))
            return logits

    class Copying(InPlace):
        def forward(self, pixels: Tensor) -> Tensor:
            return super().forward(pixels.clone())

    given = images()
    result = use(InPlace(), given)
    assert torch.equal(given, images())
    torch.testing.assert_close(result, use(Copying(), images()))


WRAPPERS: dict[str, Callable[[nn.Module], Callable[[Tensor], Tensor]]] = {
    "method": lambda network: network.forward,
    "lambda": lambda network: lambda pixels: network(pixels),
    "list": lambda network: functools.partial(lambda kept, pixels: kept[0](pixels), [network]),
    "object": lambda network: Wrapper(network),
    "a place that no code names": lambda network: hidden(network),
}


class Wrapper:
    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def __call__(self, pixels: Tensor) -> Tensor:
        result: Tensor = self.network(pixels)
        return result


def hidden(network: nn.Module) -> Callable[[Tensor], Tensor]:
    vars(hidden)["network"] = network

    def model(pixels: Tensor) -> Tensor:
        result: Tensor = globals()["hid" + "den"].network(pixels)
        return result

    return model


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS.keys())
@pytest.mark.parametrize("use", [USES["Gradient"], USES["deletion"]], ids=["Gradient", "deletion"])
def test_a_network_behind_a_function_is_in_evaluation_mode(
    use: Callable[[Any, Tensor], Tensor], wrap: Callable[[nn.Module], Callable[[Tensor], Tensor]]
) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.Linear(144, 3))
    network(images())
    before = copy.deepcopy(network.state_dict())
    right = use(copy.deepcopy(network).eval(), images())
    torch.testing.assert_close(use(wrap(network), images()), right)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(part.training for part in network.modules())


def test_a_change_of_a_large_parameter_is_refused() -> None:
    class Clipping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3, 2**16))

        def forward(self, pixels: Tensor) -> Tensor:
            with torch.no_grad():
                self.weight.clamp_(-1, 1)
            return pixels.flatten(1) @ self.weight.T[:192]

    with pytest.raises(ValueError, match=r"leave its parameters as they are, got a change of Clipping\.weight"):
        Gradient().attribute(Clipping(), images(), TARGET)


def test_a_lazy_layer_without_a_shape_is_refused() -> None:
    lazy = nn.Sequential(nn.Flatten(), nn.LazyLinear(3))
    with pytest.raises(ValueError, match="evaluate it once before it is explained"):
        Gradient().attribute(lazy, images(), TARGET)


def test_scripts_and_exported_programs_are_left_as_they_were() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 3)).eval()
    right = Gradient().attribute(network, images(), TARGET)
    script = torch.jit.trace(network, images())
    for model in (script, torch.jit.freeze(script), torch.export.export(network, (images(),)).module()):
        torch.testing.assert_close(Gradient().attribute(model, images(), TARGET), right)


def test_modules_are_restored_after_nested_use() -> None:
    module = Busy().train()
    before = seen(module)
    with unchanged(module, CPU):
        module(images())
        with unchanged(lambda pixels: module(pixels), CPU):
            module(images())
    assert seen(module) == before
