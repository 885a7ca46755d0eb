import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from lightning_spx.models import SmallResNet, cifar_resnet18, pretrained


@pytest.mark.parametrize("size", [8, 17, 32, 64])
def test_the_small_network_takes_images_of_any_size(size: int) -> None:
    assert SmallResNet(num_classes=7, width=4)(torch.rand(2, 3, size, size)).shape == (2, 7)


def test_the_small_network_has_eight_layers_and_the_widths_asked_for() -> None:
    network = SmallResNet(num_classes=10, width=8)
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    # the stem, two per block, and the projections of two shortcuts; with the linear layer eight on the main path
    assert [layer.out_channels for layer in convolutions if layer.kernel_size == (3, 3)] == [8, 8, 8, 16, 16, 32, 32]
    assert [layer.out_channels for layer in convolutions if layer.kernel_size == (1, 1)] == [16, 32]


def test_no_layer_works_in_place() -> None:
    assert not any(getattr(module, "inplace", False) for module in SmallResNet().modules())


def test_an_image_alone_and_in_a_batch_has_the_same_logits() -> None:
    network, images = SmallResNet(width=4).eval(), torch.rand(5, 3, 32, 32)
    torch.testing.assert_close(network(images)[3:4], network(images[3:4]))


def test_a_shortcut_carries_the_input_past_a_silent_block() -> None:
    network = SmallResNet(width=4).eval()
    block = network.stages[0]
    assert isinstance(block, nn.Module)
    state = {name: torch.zeros_like(value) for name, value in block.state_dict().items() if "norm2" in name}
    block.load_state_dict(state, strict=False)
    features = torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(block(features), features.relu())


@pytest.mark.parametrize("width", range(1, 17))
def test_weights_learn_from_the_gradients_of_double_precision(width: int) -> None:
    torch.manual_seed(width)
    network = SmallResNet(num_classes=3, width=width)
    images, label = torch.rand(6, 3, 12, 10), torch.arange(6) % 3
    exact = copy.deepcopy(network).double()
    for one, pixels in ((network, images), (exact, images.double())):
        torch.autograd.backward(nn.functional.cross_entropy(one(pixels), label))
    for (name, own), right in zip(network.named_parameters(), exact.parameters(), strict=True):
        assert own.grad is not None, name
        assert right.grad is not None, name
        torch.testing.assert_close(own.grad.double(), right.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["num_classes", "width"])
def test_a_network_without_channels_or_classes_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` to be at least 1, got 0"):
        SmallResNet(**{name: 0})


def test_the_large_network_keeps_the_resolution_of_small_images() -> None:
    network = cifar_resnet18(num_classes=4)
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 4)
    shapes = []
    for name, module in network.named_children():
        if name in ("layer1", "layer4"):
            module.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.shape[-2:])))
    network(torch.rand(1, 3, 32, 32))
    assert shapes == [(32, 32), (4, 4)]


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_weights_are_those_of_the_file(tmp_path: Path, suffix: str) -> None:
    trained = SmallResNet(width=4)
    path = tmp_path / f"weights.{suffix}"
    if suffix == "pt":
        torch.save(trained.state_dict(), path)
    else:
        save_file({name: value.contiguous() for name, value in trained.state_dict().items()}, path)
    network = pretrained(SmallResNet(width=4), path)
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(network.eval()(images), trained.eval()(images))


def test_weights_of_another_network_are_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(SmallResNet(num_classes=3, width=4).state_dict(), path)
    message = r"weights\.pt to fit SmallResNet, got head\.weight of shape \(3, 16\) for \(10, 16\), head\.bias"
    with pytest.raises(ValueError, match=message):
        pretrained(SmallResNet(width=4), path)


@pytest.mark.parametrize("content", [torch.zeros(3), {"epoch": 3}, ["weights"]])
def test_a_file_without_named_tensors_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=r"a file of `network.state_dict\(\)`, got .*weights\.pt"):
        pretrained(SmallResNet(width=4), tmp_path / "weights.pt")


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"a checkpoint at .*weights\.pt, found none"):
        pretrained(SmallResNet(width=4), tmp_path / "weights.pt")


def test_weights_of_another_kind_of_number_are_refused_and_whole_counters_are_not(tmp_path: Path) -> None:
    path, network = tmp_path / "weights.pt", nn.Sequential(nn.Linear(1, 2), nn.BatchNorm1d(2))
    state = network.state_dict()
    counter = "1.num_batches_tracked"
    for value in (torch.tensor(3, dtype=torch.int32), torch.tensor(3.0)):
        torch.save({**state, counter: value, "0.weight": state["0.weight"].half()}, path)
        assert pretrained(network, path).state_dict()[counter] == 3
    for name, value, said in (
        ("0.weight", torch.ones(2, 1, dtype=torch.int8), "int8 for float32"),
        ("0.weight", torch.ones(2, 1, dtype=torch.bool), "bool for float32"),
        ("1.running_var", torch.ones(2, dtype=torch.complex64), "complex64 for float32"),
        (counter, torch.tensor(2.5), "float32 for int64"),
    ):
        torch.save({**state, name: value}, path)
        with pytest.raises(ValueError, match=rf"to fit Sequential, got {name} of {said}\.$"):
            pretrained(network, path)


def test_states_inside_of_a_file_are_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"epoch": 3, "model_ema": {"weight": torch.zeros(1)}}, path)
    with pytest.raises(ValueError, match=r"dict of epoch, model_ema: save .*content\['model_ema'\], path\)`\.$"):
        pretrained(nn.Linear(1, 1), path)


@pytest.mark.parametrize("content", [b"hello world", b"\x80\x02\x60rest"])
def test_what_is_no_file_of_torch_is_called_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weights.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"no file of `torch\.save`"):
        pretrained(nn.Linear(1, 1), tmp_path / "weights.pt")
