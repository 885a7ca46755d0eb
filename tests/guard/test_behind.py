"""Which modules are behind a callable."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
from torch import Tensor, nn

from lightning_spx.guard import modules_behind

NETWORK = nn.Sequential(nn.ReLU())
REGISTRY: dict[str, Any] = {"first": [NETWORK]}


class Holder:
    def __init__(self) -> None:
        self.networks = {"own": NETWORK}

    def __call__(self, images: Tensor) -> Tensor:
        return self.predict(images)

    def predict(self, images: Tensor) -> Tensor:
        result: Tensor = self.networks["own"](images)
        return result


def by_name(images: Tensor) -> Tensor:
    result: Tensor = NETWORK(images)
    return result


def from_a_registry(images: Tensor) -> Tensor:
    result: Tensor = sum(network(images) for network in REGISTRY["first"])
    return result


def with_default(images: Tensor, network: nn.Module = NETWORK) -> Tensor:
    result: Tensor = network(images)
    return result


def keyword(images: Tensor, *, network: nn.Module = NETWORK) -> Tensor:
    result: Tensor = network(images)
    return result


def wrapped(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    @functools.wraps(function)
    def inner(images: Tensor) -> Tensor:
        return function(images)

    return inner


def closure(network: nn.Module = NETWORK) -> Callable[[Tensor], Tensor]:
    def inner(images: Tensor) -> Tensor:
        return (lambda: network(images)["logits"])()

    return inner


@pytest.mark.parametrize(
    "model",
    [
        NETWORK,
        NETWORK.forward,
        NETWORK.__call__,
        functools.partial(NETWORK),
        functools.partial(functools.partial(NETWORK.forward)),
        lambda images: NETWORK(images),
        lambda images: by_name(images),
        by_name,
        from_a_registry,
        with_default,
        keyword,
        wrapped(by_name),
        closure(),
        functools.partial(with_default, network=NETWORK),
        Holder(),
        Holder().predict,
        lambda images, holder=Holder(): holder.predict(images),
    ],
)
def test_the_module_is_found_once(model: object) -> None:
    assert modules_behind(model) == [NETWORK]


def test_all_of_an_ensemble_are_found() -> None:
    networks = [nn.ReLU(), nn.Tanh()]
    assert modules_behind(lambda images: sum(each(images) for each in networks)) == networks


def test_there_may_be_none() -> None:
    assert modules_behind(lambda images: images.mean()) == []
