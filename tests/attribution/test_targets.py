"""A class typed in any form is that class, and what is none is refused in a line."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lightning_spx.attribution import (
    Attribution,
    Gradient,
    adaptive_integrated_gradients,
    completeness_gap,
    input_gradient,
    integrated_gradients,
)
from lightning_spx.attribution.targets import class_indices
from tests.attribution.cases import Net, every_method, images

BLACK = torch.zeros(1)


@every_method
def test_one_class_for_all_images_is_typed_as_an_integer(method: Attribution) -> None:
    explained: Any = method
    expected = method.attribute(Net(), images(2), torch.tensor([3, 3]))
    assert torch.equal(explained.attribute(Net(), images(2), target=3), expected)
    assert torch.equal(explained.attribute(Net(), images(2), [3, 3]), expected)


@pytest.mark.parametrize(
    "target",
    [
        [2, 0, 4],
        (2, 0, 4),
        np.array([2, 0, 4]),
        np.array([2, 0, 4], np.uint8),
        [np.int64(2), np.int32(0), 4],
        [torch.tensor(2), torch.tensor(0), torch.tensor(4)],
        torch.tensor([2, 0, 4], dtype=torch.int32),
        torch.tensor([2, 0, 4], dtype=torch.uint8),
        np.array([9, 4, 9, 0, 9, 2])[::-2],
    ],
    ids=str,
)
def test_one_class_for_each_image_has_many_forms(target: object) -> None:
    given: Any = target
    indices = class_indices(given, 3)
    assert indices is not None
    assert indices.dtype == torch.int64
    assert indices.tolist() == [2, 0, 4]
    assert torch.equal(
        Gradient().attribute(Net(), images(3), given), Gradient().attribute(Net(), images(3), torch.tensor([2, 0, 4]))
    )


@pytest.mark.parametrize("target", [3, np.int64(3), np.uint8(3), np.array(3), torch.tensor(3)], ids=repr)
def test_one_class_for_all_has_many_forms(target: object) -> None:
    given: Any = target
    indices = class_indices(given, 3)
    assert indices is not None
    assert indices.tolist() == [3, 3, 3]


def test_functions_take_an_integer_too() -> None:
    network, inputs, target = Net(), images(2), torch.tensor([3, 3])
    assert torch.equal(input_gradient(network, inputs, 3), input_gradient(network, inputs, target))
    found, expected = (integrated_gradients(network, inputs, each, BLACK, 3) for each in (3, target))
    assert torch.equal(found, expected)
    gaps = [completeness_gap(network, inputs, each, expected, BLACK) for each in (3, target)]
    assert torch.equal(*gaps)
    once, again = (adaptive_integrated_gradients(network, inputs, each, BLACK, max_steps=15) for each in (3, target))
    assert torch.equal(once.attribution, again.attribution)


def test_no_image_needs_no_class() -> None:
    targets: list[Any] = [[], 3, torch.zeros(0, dtype=torch.int64)]
    for target in targets:
        assert Gradient().attribute(Net(), images()[:0], target).shape == (0, 3, 10, 10)
    assert class_indices(None, 4) is None


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        (5, ValueError, "to be at least 0 and below 5, got 5"),
        (-1, ValueError, "to be at least 0 and below 5, got -1"),
        ([0, 1], ValueError, r"of shape \(3,\), got \(2,\): give one class for each image, or one integer for all"),
        (torch.tensor([1]), ValueError, r"of shape \(3,\), got \(1,\)"),
        (torch.zeros(3, 5, dtype=torch.int64), ValueError, r"got \(3, 5\)"),
        ([], ValueError, r"got \(0,\)"),
        (True, TypeError, "an integer, one for each image, or None, got True"),
        ([True, False, 1], TypeError, r"got \[True, False, 1\]"),
        (torch.tensor([True, False, True]), TypeError, r"got torch\.bool"),
        (1.0, TypeError, r"got 1\.0"),
        ([0.0, 1.0, 2.0], TypeError, r"got \[0\.0, 1\.0, 2\.0\]"),
        (np.zeros(3), TypeError, "got float64"),
        (torch.zeros(3, 5), TypeError, r"got torch\.float32"),
        ("cat", TypeError, "got 'cat'"),
        (["cat"] * 3, TypeError, r"got \['cat'"),
        ([[0, 1], [2]], TypeError, r"got \[\[0, 1\], \[2\]\]"),
        (2**70, TypeError, "got 1180591620717411303424"),
        ([torch.tensor(0.5)] * 3, TypeError, r"got \[tensor\(0\.5000\)"),
        ([torch.tensor(True)] * 3, TypeError, r"got \[tensor\(True\)"),
        ({0}, TypeError, r"got \{0\}"),
    ],
    ids=str,
)
def test_what_is_no_class_is_refused_in_a_line(target: object, error: type[Exception], message: str) -> None:
    given: Any = target
    with pytest.raises(error, match=message) as caught:
        Gradient().attribute(Net(), images(3), given)
    assert str(caught.value).startswith("Expected `target`")
    assert len(str(caught.value).splitlines()) == 1


def test_an_integer_for_a_model_without_classes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"to be None for a model that returns \(N,\), got \[0, 0\]"):
        Gradient().attribute(nn.Sequential(Net(1), nn.Flatten(0)), images(2), target=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_model_in_half_precision_raises_its_own_error_with_advice(dtype: torch.dtype) -> None:
    network = Net().to(dtype)
    with pytest.raises(RuntimeError) as caught:
        Gradient().attribute(network, images(2).to(dtype), 0)
    assert caught.value.__notes__ == [f"The images are float32 and the model has {dtype}: give model.float()."]
    assert Gradient().attribute(network.float(), images(2).to(dtype), 0).dtype == torch.float32
