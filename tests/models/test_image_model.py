"""A user's module with its own weights and with others: what a copy with these gives, and nothing left behind."""

from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from lightning_spx.attribution import Attribution, GradCAM, Gradient, IntegratedGradients
from lightning_spx.evaluation.callbacks.restored_images import restore
from lightning_spx.evaluation.maps.references import read_reference
from lightning_spx.guard.model_output import read_output
from lightning_spx.models.image_model import for_head
from lightning_spx.models.placed_weights import weights_of
from tests.evaluation.maps.explained_cases import (
    ARCHITECTURES,
    PLAIN,
    SCALE,
    TARGET,
    Attentive,
    Convolutional,
    Normed,
    Tied,
    WithExtraState,
    WithMetrics,
    copy_with,
    explained_model,
    images,
    normalized,
    pair,
    saved,
)


@pytest.mark.parametrize("make", ARCHITECTURES)
def test_it_is_the_module_on_normalized_images(make: Callable[[], nn.Module]) -> None:
    module = pair(make)[0].eval()
    explained = explained_model(module, SCALE)(images())
    torch.testing.assert_close(explained, module(normalized(images())), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("make", ARCHITECTURES)
def test_with_the_weights_of_a_checkpoint_it_is_a_copy_that_loaded_them(
    make: Callable[[], nn.Module], tmp_path: Path
) -> None:
    module, other = pair(make)
    state = read_reference(saved(other, tmp_path / "other.ckpt"), module)
    explained = explained_model(module.eval(), SCALE, state)(images())
    expected = copy_with(module, other.state_dict())(SCALE(images()))
    torch.testing.assert_close(explained, expected, atol=1e-6, rtol=1e-6)
    assert (explained - module(SCALE(images()))).abs().max() > 1e-3  # the other's weights are others


@pytest.mark.parametrize("inference", [False, True], ids=["plain", "inference mode"])
@pytest.mark.parametrize("method", [Gradient(), GradCAM(layer="net.0"), IntegratedGradients(num_steps=3)])
def test_attributions_are_those_of_a_copy(method: Attribution, inference: bool, tmp_path: Path) -> None:
    module, other = pair(Convolutional)
    path = saved(other, tmp_path / "other.ckpt")
    with torch.inference_mode(inference):
        # all of it inside, as the callback does in `validate` and `test`
        given = restore(normalized(images()), SCALE)
        attribution = method.attribute(explained_model(module, SCALE, read_reference(path, module)), given, TARGET)

    def on_pixels(pixels: Tensor) -> Tensor:
        logits: Tensor = copied(SCALE(pixels))
        return logits

    copied = copy_with(module, other.state_dict())
    if isinstance(method, GradCAM):
        expected = method.attribute(copied, SCALE(given), TARGET)
    else:
        expected = method.attribute(on_pixels, given.clone(), TARGET)
    torch.testing.assert_close(attribution, expected, atol=1e-5, rtol=1e-4)
    assert attribution.abs().max() > 0


@pytest.mark.parametrize("make", [Convolutional, Tied, Normed, Attentive])
def test_the_gradient_is_that_of_a_copy(make: Callable[[], nn.Module], tmp_path: Path) -> None:
    module, other = pair(make)
    state = read_reference(saved(other, tmp_path / "other.ckpt"), module)
    gradient = Gradient().attribute(explained_model(module, SCALE, state), images(), TARGET)
    copied, pixels = copy_with(module, other.state_dict()), images().requires_grad_()
    copied(SCALE(pixels)).gather(1, TARGET[:, None]).sum().backward()
    assert pixels.grad is not None
    torch.testing.assert_close(gradient, pixels.grad, atol=1e-6, rtol=1e-4)


def everything(module: nn.Module) -> list[object]:
    """All that could be changed: values, identity, flags, gradients and hooks."""
    values = {name: value.clone() for name, value in weights_of(module).items()}
    members = [(name, id(value), value.requires_grad) for name, value in module.named_parameters()]
    members += [(name, id(value), value.requires_grad) for name, value in module.named_buffers()]
    flags = [(part.training, len(part._forward_hooks), len(part._forward_pre_hooks)) for part in module.modules()]
    grads = [parameter.grad is None for parameter in module.parameters()]
    names = [sorted(vars(part)) for part in module.modules()]
    return [{name: value.numpy().tobytes() for name, value in values.items()}, members, flags, grads, names]


@pytest.mark.parametrize("make", [Convolutional, Tied, Normed, WithMetrics, WithExtraState])
@pytest.mark.parametrize("with_state", [False, True])
def test_the_module_is_left_as_it_was(make: Callable[[], nn.Module], with_state: bool, tmp_path: Path) -> None:
    module, other = pair(make)
    state = read_reference(saved(other, tmp_path / "other.ckpt"), module) if with_state else None
    before, given = everything(module), None if state is None else {k: v.clone() for k, v in state.items()}
    explained = explained_model(module, SCALE, state)
    Gradient().attribute(explained, images(), TARGET)
    if make is Convolutional:
        GradCAM(layer="net").attribute(explained, images(), TARGET)
    assert everything(module) == before
    for name, value in (state or {}).items():
        assert given is not None
        torch.testing.assert_close(value, given[name], atol=0, rtol=0)


def test_an_error_in_forward_leaves_the_module_as_it_was(tmp_path: Path) -> None:
    module, other = pair(Convolutional)
    before = everything(module)
    explained = explained_model(module, PLAIN, read_reference(saved(other, tmp_path / "other.ckpt"), module))
    with pytest.raises(RuntimeError, match="channels"):
        explained(images(channels=1))
    assert everything(module) == before


@pytest.mark.parametrize("layer", ["net", "net.0", "network.net.0"])
def test_a_layer_is_found_by_the_name_it_has_for_the_user(layer: str) -> None:
    module = pair(Convolutional)[0]
    found = explained_model(module, SCALE).get_submodule(layer)
    assert found is module.get_submodule(layer.removeprefix("network."))


def test_a_layer_of_a_part_called_module_is_found() -> None:
    module = nn.Sequential()
    module.module = Convolutional()
    assert explained_model(module, SCALE).get_submodule("module.net.0") is module.module.net[0]


def test_a_layer_that_is_not_there_is_named() -> None:
    explained = explained_model(pair(Convolutional)[0], SCALE)
    with pytest.raises(AttributeError, match="stem"):
        explained.get_submodule("stem")
    with pytest.raises(ValueError, match="`layer` to name a module of Convolutional, such as net, head, got 'stem'"):
        GradCAM(layer="stem").attribute(explained, images(), TARGET)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_module_of_another_precision_takes_a_reference_of_any(dtype: torch.dtype, tmp_path: Path) -> None:
    module, other = pair(Convolutional)
    path = saved(other, tmp_path / "other.ckpt")
    module.to(dtype)
    state = read_reference(path, module)
    own = module.state_dict()
    assert {name: value.dtype for name, value in state.items()} == {name: value.dtype for name, value in own.items()}
    explained = explained_model(module.eval(), SCALE, state)
    expected = copy_with(module, other.state_dict())(SCALE(images()).to(dtype))
    torch.testing.assert_close(explained(images()), expected, atol=0, rtol=0)
    assert Gradient().attribute(explained, images(), TARGET).dtype == torch.float32


def test_a_module_without_weights_takes_float32() -> None:
    logits = explained_model(nn.Flatten(), PLAIN)(images())
    torch.testing.assert_close(logits, images().flatten(1), atol=0, rtol=0)


LOGITS = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
Auxiliary = namedtuple("Auxiliary", ["logits", "aux"])


@pytest.mark.parametrize(
    "output",
    [
        LOGITS,
        (LOGITS, "features"),
        [LOGITS],
        {"logits": LOGITS, "loss": 0.1},
        SimpleNamespace(logits=LOGITS),
        Auxiliary(LOGITS, LOGITS * 2),
    ],
    ids=["tensor", "tuple", "list", "dict", "object", "named tuple"],
)
def test_logits_are_found_in_what_a_model_returns(output: object) -> None:
    assert read_output(output) is LOGITS


def test_one_column_is_a_binary_classifier() -> None:
    assert for_head(read_output(torch.tensor([[1.0], [2.0]])), "single_label", "Net").tolist() == [1.0, 2.0]
    assert for_head(read_output((torch.tensor([[1.0], [2.0]]), None)), "single_label", "Net").tolist() == [1.0, 2.0]
    assert for_head(read_output(torch.tensor([1.0, 2.0])), "single_label", "Net").tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("output", "kind"),
    [
        (None, "NoneType"),
        ("logits", "str"),
        ((), "tuple"),
        (("features", LOGITS), "tuple"),
        ({"scores": LOGITS}, "dict"),
        (SimpleNamespace(scores=LOGITS), "SimpleNamespace"),
        (SimpleNamespace(logits=[1, 2]), "SimpleNamespace"),
    ],
)
def test_an_output_without_logits_is_refused(output: object, kind: str) -> None:
    message = f"Expected the model's `forward` to return logits, a tuple that begins with them .*, got {kind}"
    with pytest.raises(TypeError, match=message):
        read_output(output)
