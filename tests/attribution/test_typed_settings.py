"""Settings and models of the wrong type are refused by name, before anything is computed."""

from collections.abc import Callable
from typing import Any

import captum.attr
import pytest
import torch
from torch import nn

from lightning_spx.attribution import (
    Attribution,
    FromCaptum,
    GradCAM,
    Gradient,
    IntegratedGradients,
    MoreauGrad,
    SmoothGrad,
    VarGrad,
    integrated_gradients,
    is_constant,
    magnitude,
    saliency_map,
)
from tests.attribution.cases import Net, every_method, images, targets


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (Gradient, {"chunk_size": 1.5}, r"`chunk_size` to be an integer, got 1\.5"),
        (Gradient, {"chunk_size": "2"}, "`chunk_size` to be an integer, got '2'"),
        (Gradient, {"chunk_size": True}, "`chunk_size` to be an integer, got True"),
        (SmoothGrad, {"num_samples": 2.5}, r"`num_samples` to be an integer, got 2\.5"),
        (VarGrad, {"num_samples": None}, "`num_samples` to be an integer, got None"),
        (IntegratedGradients, {"num_steps": 5.0}, r"`num_steps` to be an integer, got 5\.0"),
        (IntegratedGradients, {"baseline": 0.5}, r"`baseline` to be a tuple, such as \(0\.5,\), got 0\.5"),
        (IntegratedGradients, {"baseline": torch.zeros(3)}, "got Tensor: the functions of the methods, such as"),
        (MoreauGrad, {"num_steps": 2.0}, r"`num_steps` to be an integer, got 2\.0"),
        (GradCAM, {"layer": nn.ReLU()}, r"`layer` to be the dotted name of a layer, .*, got ReLU\.$"),
    ],
)
def test_settings_of_another_type_are_refused(
    kind: Callable[..., Attribution], settings: dict[str, object], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        kind(**settings)


@every_method
@pytest.mark.parametrize(
    ("model", "got"), [(None, "NoneType"), ("resnet18", "str"), (Net, "the class Net")], ids=["none", "name", "class"]
)
def test_what_is_no_model_is_refused(method: Attribution, model: object, got: str) -> None:
    given: Any = model
    with pytest.raises(TypeError, match=f"Expected `model` to be a.*, got {got}"):
        method.attribute(given, images(2), targets(2))


def test_inputs_of_another_kind_say_what_to_type() -> None:
    given: Any = images().numpy()
    with pytest.raises(TypeError, match=r"got ndarray: give torch\.from_numpy\(inputs\), with the channels first"):
        Gradient().attribute(Net(), given, 0)
    with pytest.raises(TypeError, match=r"got torch\.uint8: scale it as in training, such as inputs / 255"):
        Gradient().attribute(Net(), images().byte(), 0)
    number: Any = 0.0
    with pytest.raises(TypeError, match=r"`baseline` to be a tensor, got float: give torch\.as_tensor\(baseline\)"):
        integrated_gradients(Net(), images(), 0, number)


def test_maps_without_batch_or_channels_say_what_to_type() -> None:
    attribution = Gradient().attribute(Net(), images(), 0)
    for function in (magnitude, saliency_map):
        with pytest.raises(ValueError, match=r"give attribution\[None\] for one image, or attribution\[:, None\]"):
            function(attribution[0])
    assert saliency_map(attribution[0][None]).shape == (1, 10, 10)
    assert not is_constant(saliency_map(attribution)).any()


def test_what_captum_asserts_is_one_line() -> None:
    masks = torch.zeros(2, 1, 10, 10, dtype=torch.int64)
    method = FromCaptum(captum.attr.ShapleyValues, {"feature_mask": masks})
    with pytest.raises(ValueError, match="Expected ShapleyValues to explain the model, got: the shape of feature mask"):
        method.attribute(Net(), images(3), targets(3))
