import copy
import functools
from collections.abc import Callable, Iterator

import lightning as pl
import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch._C._distributed_c10d import HashStore
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset

from lightning_spx.attribution import Attribution, FromCaptum, GradCAM, Gradient, IntegratedGradients, SmoothGrad
from lightning_spx.attribution.guards import explaining
from lightning_spx.guard.layer_names import module_of
from tests.attribution.cases import METHODS, Net, Notes, every_method, images, name_of, random_states, relative, targets


class Images(Dataset[Tensor]):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Tensor:
        image: Tensor = images()[index]
        return image


class Module(pl.LightningModule):
    """Explains every batch of every stage."""

    def __init__(self, method: Attribution) -> None:
        super().__init__()
        self.network = Net()
        self.method = method
        self.results: dict[str, Tensor] = {}

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)
        return logits

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        self.results["training"] = self.method.attribute(self, batch, targets())
        loss: Tensor = self(batch).square().mean()
        return loss

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        self.results["validation"] = self.method.attribute(self, batch, targets())

    def test_step(self, batch: Tensor, batch_idx: int) -> None:
        self.results["test"] = self.method.attribute(self, batch, targets())

    def predict_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        self.results["predict"] = self.method.attribute(self, batch, targets())
        return self.results["predict"]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1e-4)


@every_method
@pytest.mark.filterwarnings("ignore:.*does not have many workers.*", "ignore:Found .* module.* in eval mode.*")
def test_results_in_all_stages_of_lightning_equal_those_outside(method: Attribution) -> None:
    module = Module(method)
    expected = method.attribute(copy.deepcopy(module.network), images(), targets())
    loader = DataLoader(Images(), batch_size=4)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.validate(module, loader, verbose=False)
    trainer.test(module, loader, verbose=False)
    trainer.predict(module, loader)
    for stage in ("validation", "test", "predict"):
        assert torch.equal(module.results.pop(stage), expected)
    before = copy.deepcopy(module.network.state_dict())
    trainer.fit(module, loader, loader)
    # the first batch is explained before training has touched the statistics, the last after
    assert torch.equal(module.results["training"], expected)
    after = module.network.state_dict()
    assert not any(
        torch.equal(after[name], before[name]) for name in ("conv1.weight", "head.weight", "norm.running_mean")
    )
    assert torch.equal(module.results["validation"], method.attribute(module.network, images(), targets()))


@every_method
def test_no_grad_and_inference_mode_change_nothing(method: Attribution) -> None:
    network, inputs, target = Net(), images(), targets()
    expected = method.attribute(network, inputs, target)
    with torch.no_grad():
        assert torch.equal(method.attribute(network, inputs, target), expected)
    with torch.inference_mode():
        assert torch.equal(method.attribute(network, inputs.clone(), target.clone()), expected)
        assert torch.is_inference_mode_enabled()
    # tensors from inference mode, used outside
    with torch.inference_mode():
        inputs, target = inputs.clone(), target.clone()
    assert torch.equal(method.attribute(network, inputs, target), expected)


def state_of(network: nn.Module) -> list[object]:
    return [
        [(name, value.tolist()) for name, value in network.state_dict().items()],
        [module.training for module in network.modules()],
        [parameter.requires_grad for parameter in network.parameters()],
        [None if parameter.grad is None else parameter.grad.tolist() for parameter in network.parameters()],
        [len(module._forward_hooks) for module in network.modules()],
    ]


def trained() -> Net:
    """In train mode but for one layer, with gradients, one parameter frozen."""
    network = Net()
    network(images()).sum().backward()
    network.conv1.eval()
    network.head.bias.requires_grad_(False)
    return network


@every_method
def test_the_model_is_left_as_it_was(method: Attribution) -> None:
    network = trained()
    before = state_of(network)
    method.attribute(network, images(), targets())
    assert state_of(network) == before


@every_method
def test_the_model_is_left_as_it_was_by_an_error(method: Attribution) -> None:
    network = trained()
    network.head.register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(KeyError("inside")))
    before = state_of(network)
    with pytest.raises(KeyError, match="inside"):
        method.attribute(network, images(), targets())
    assert state_of(network) == before


@every_method
def test_the_model_is_explained_in_eval_mode(method: Attribution) -> None:
    expected = method.attribute(Net().eval(), images(), targets())
    assert torch.equal(method.attribute(Net().train(), images(), targets()), expected)


@every_method
def test_the_random_states_are_left_as_they_were(method: Attribution) -> None:
    network = Net()
    before = random_states()
    first = method.attribute(network, images(), targets())
    assert random_states() == before
    torch.rand(7)
    assert torch.equal(method.attribute(network, images(), targets()), first)


def test_a_model_that_draws_random_numbers_leaves_the_random_state() -> None:
    before = torch.get_rng_state()
    Gradient().attribute(lambda x: (x * torch.rand(1)).flatten(1), images(), targets())
    assert torch.equal(torch.get_rng_state(), before)


def test_no_gradient_of_a_weight_is_computed() -> None:
    network = Net()
    seen = Notes()
    network.register_forward_pre_hook(lambda *_: seen.append([p.requires_grad for p in network.parameters()]))
    Gradient().attribute(network, images(), targets())
    # the second time is a look at one image by itself
    assert seen.taken == [[False] * 8] * 2


@every_method
def test_a_model_built_in_inference_mode_is_explained(method: Attribution) -> None:
    with torch.inference_mode():
        network = Net()
    weight = network.conv1.weight
    assert torch.equal(method.attribute(network, images(), targets()), method.attribute(Net(), images(), targets()))
    assert network.conv1.weight is weight
    assert weight.is_inference()


@pytest.mark.parametrize("method", [Gradient(), GradCAM(), SmoothGrad(num_samples=2)], ids=name_of)
def test_a_compiled_model_gives_the_same(method: Attribution) -> None:
    network = Net()
    compiled = torch.compile(network, backend="aot_eager")
    assert isinstance(compiled, nn.Module)
    for model in (compiled, nn.Sequential(compiled, nn.Identity())):
        model(images())
        expected = method.attribute(network, images(), targets())
        assert relative(method.attribute(model, images(), targets()), expected) < 1e-5
        assert all(module.training for module in model.modules())


@pytest.fixture
def process_group() -> Iterator[None]:
    dist.init_process_group("gloo", store=HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@every_method
@pytest.mark.usefixtures("process_group")
def test_a_distributed_model_gives_the_same_and_trains_on(method: Attribution) -> None:
    network = Net()
    wrapped = DistributedDataParallel(copy.deepcopy(network))
    wrapped(images()).sum().backward()
    wrapped.module.load_state_dict(network.state_dict())
    seen = Notes()
    handle = wrapped.register_forward_pre_hook(lambda *_: seen.append("synchronized"))
    assert torch.equal(method.attribute(wrapped, images(), targets()), method.attribute(network, images(), targets()))
    assert not seen.taken
    handle.remove()
    wrapped(images()).sum().backward()


def test_parameters_of_a_script_are_constants_too() -> None:
    trace: Callable[..., nn.Module] = torch.jit.trace
    script = trace(Net().eval(), images())
    with explaining(script, torch.device("cpu"), "fp32") as network:
        assert not network(images()).requires_grad
    assert all(parameter.requires_grad for parameter in script.parameters())


def test_the_module_behind_a_callable_is_found() -> None:
    network = Net()
    for model in (network, network.forward, functools.partial(network.forward), functools.partial(network)):
        assert module_of(model) is network
    assert module_of(lambda x: network(x)) is None
    network.train()
    expected = Gradient().attribute(network, images(), targets())
    assert torch.equal(Gradient().attribute(network.forward, images(), targets()), expected)


def test_fp32_is_an_island_in_mixed_precision() -> None:
    for method in METHODS:
        expected = method.attribute(Net(), images(), targets())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(method.attribute(Net(), images(), targets()), expected)


def test_weights_cast_by_an_outer_autocast_are_not_reused() -> None:
    network = Net().eval()
    expected = Gradient(precision="bf16").attribute(lambda x: network(x), images(), targets())
    with torch.autocast("cpu", dtype=torch.float16):
        network(images())
        assert torch.equal(Gradient(precision="bf16").attribute(lambda x: network(x), images(), targets()), expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@every_method
def test_cuda_keeps_the_contract(method: Attribution) -> None:
    network, inputs, target = Net().double().cuda(), images().double().cuda(), targets().cuda()
    before = torch.cuda.get_rng_state()
    result = method.attribute(network, inputs, target)
    assert torch.equal(torch.cuda.get_rng_state(), before)
    assert result.device == inputs.device
    assert relative(method.attribute(network, inputs[2:], target[2:]), result[2:]) < 1e-6
    with torch.inference_mode():
        assert relative(method.attribute(network, inputs.clone(), target), result) < 1e-6


@pytest.mark.parametrize("kind", [Gradient, IntegratedGradients, GradCAM])
def test_bf16_is_close_to_fp32_but_another_computation(kind: type[Gradient | IntegratedGradients | GradCAM]) -> None:
    exact = kind().attribute(Net(), images(), targets())
    rough = kind(precision="bf16").attribute(Net(), images(), targets())
    error = float((rough - exact).norm() / exact.norm())
    # bfloat16 keeps 8 bits: each of a few operations is off by up to 0.4 %
    assert 1e-4 < error < 0.05


def test_wrappers_follow_the_precision_of_their_base() -> None:
    seen = Notes()
    network = Net()
    network.head.register_forward_hook(lambda _, __, output: seen.append(output.dtype))
    SmoothGrad(Gradient(precision="bf16"), num_samples=2).attribute(network, images(), targets())
    FromCaptum(DeepLiftLike, precision="bf16").attribute(network, images(), targets())
    assert set(seen.taken) == {torch.bfloat16}


class DeepLiftLike:
    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def attribute(self, inputs: Tensor, target: Tensor) -> Tensor:
        assert self.model(inputs).dtype == torch.bfloat16
        return inputs * 2


def test_flags_are_set_without_calling_train_or_eval() -> None:
    class Loud(Net):
        def train(self, mode: bool = True) -> "Loud":
            raise AssertionError("train() may do more than set a flag")

    network = Loud()
    with explaining(network, torch.device("cpu"), "fp32"):
        assert not any(module.training for module in network.modules())
    assert all(module.training for module in network.modules())
