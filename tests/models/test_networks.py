import copy
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.transforms.v2 import functional

from lightning_spx.models import Normalize, SmallResNet, cifar_resnet18, pretrained
from lightning_spx.models.cyclegan_networks import PatchDiscriminator, ResNetGenerator
from lightning_spx.models.memory_format import in_training_format
from lightning_spx.models.said_normalization import chosen_normalization
from lightning_spx.models.schedule import warmup_cosine
from lightning_spx.models.weights import state_mismatch


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


@pytest.mark.parametrize(
    "network",
    [SmallResNet(width=4), PatchDiscriminator(channels=4), ResNetGenerator(num_blocks=1, channels=4)],
    ids=lambda network: type(network).__name__,
)
def test_images_do_not_choose_the_memory_format_in_which_weights_learn(network: nn.Module) -> None:
    images = torch.rand(2, 3, 32, 32).to(memory_format=torch.channels_last)
    formats = []
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            # no gradient is asked for here, and none computed
            layer.register_forward_pre_hook(
                lambda layer, inputs: formats.extend([inputs[0].is_contiguous(), layer.weight.is_contiguous()])
            )
    with torch.no_grad():
        network(images)
    assert formats
    assert all(formats)


def test_images_that_are_explained_keep_their_memory_format() -> None:
    network = SmallResNet(width=4).requires_grad_(False)
    images = torch.rand(2, 3, 8, 8).to(memory_format=torch.channels_last)
    assert in_training_format(images, network) is images


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


def test_normalization_is_that_of_torchvision() -> None:
    images = torch.rand(2, 3, 4, 4)
    expected = functional.normalize(images, [0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
    torch.testing.assert_close(Normalize((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))(images), expected)


def test_normalization_does_not_learn() -> None:
    assert list(Normalize().parameters()) == []


def test_a_wrong_normalization_is_refused() -> None:
    with pytest.raises(ValueError, match="`mean` and `std` to be of equal length, got 3 and 1"):
        Normalize((0.5, 0.5, 0.5), (1.0,))
    with pytest.raises(ValueError, match=r"`std` to be positive, got \(1.0, 0.0\)"):
        Normalize((0.5, 0.5), (1.0, 0.0))


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
    with pytest.raises(ValueError, match=r"weights\.pt to hold a state of named tensors"):
        pretrained(SmallResNet(width=4), tmp_path / "weights.pt")


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"`weights` to be a file, found none at .*weights\.pt"):
        pretrained(SmallResNet(width=4), tmp_path / "weights.pt")


def test_a_state_that_fits_has_no_mismatch() -> None:
    assert state_mismatch(SmallResNet(width=4), SmallResNet(width=4).state_dict()) == ""


def test_a_mismatch_names_three_and_counts_the_rest() -> None:
    module = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1), nn.Linear(1, 1))
    assert state_mismatch(module, {}) == "missing 0.weight, 0.bias, 1.weight and 3 more"


def test_the_learning_rate_rises_by_equal_steps_and_falls_as_half_a_cosine() -> None:
    factors = torch.tensor([warmup_cosine(step, num_steps=100, warmup_fraction=0.2) for step in range(101)])
    torch.testing.assert_close(factors[:20], torch.arange(1, 21) / 21)
    expected = 0.5 + 0.5 * torch.cos(torch.linspace(0, torch.pi, 81))
    torch.testing.assert_close(factors[20:], expected, atol=1e-6, rtol=0)


def test_without_warm_up_the_learning_rate_starts_in_full_and_stays_zero_after_the_end() -> None:
    assert warmup_cosine(0, num_steps=10, warmup_fraction=0.0) == 1.0
    assert warmup_cosine(12, num_steps=10, warmup_fraction=0.0) == 0.0


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
    with pytest.raises(ValueError, match=r"got a dict of epoch, model_ema: save .*content\['model_ema'\], path\)`\.$"):
        pretrained(nn.Linear(1, 1), path)


@pytest.mark.parametrize("content", [b"hello world", b"\x80\x02\x60rest"])
def test_what_is_no_file_of_torch_is_called_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weights.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"no file of `torch\.save`"):
        pretrained(nn.Linear(1, 1), tmp_path / "weights.pt")


@pytest.mark.parametrize("shape", [(3,), (3, 1, 1), (1, 3, 1, 1)])
def test_a_network_with_a_mean_and_a_std_of_its_own_is_not_normalized_in_silence(shape: tuple[int, ...]) -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 1))
    network[0].register_buffer("pixel_mean", torch.zeros(shape))
    network[0].register_buffer("pixel_std", torch.ones(shape))
    with pytest.warns(UserWarning, match=r"has the buffers `0\.pixel_mean` and `0\.pixel_std`.* give `mean`"):
        chosen_normalization(network)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chosen_normalization(network, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
        chosen_normalization(nn.BatchNorm2d(3))
