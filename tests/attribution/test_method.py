import dataclasses
from typing import Any, cast

import pytest
from captum.attr import DeepLift
from jsonargparse import ArgumentParser

from lightning_spx.attribution import (
    RISE,
    XRAI,
    Attribution,
    ExpectedGradients,
    FromCaptum,
    GradCAM,
    Gradient,
    GuidedBackprop,
    GuidedGradCAM,
    InputXGradient,
    IntegratedGradients,
    MeanAttribution,
    Occlusion,
    SmoothGrad,
    SparsifiedSmoothGrad,
    VarGrad,
)
from lightning_spx.superpixels import Slic
from tests.attribution.cases import every_method

BF16 = Gradient(precision="bf16")


def study(methods: list[Attribution]) -> list[Attribution]:
    return methods


def settings_of(method: Attribution) -> dict[str, Any]:
    return {setting.name: getattr(method, setting.name) for setting in dataclasses.fields(cast(Any, method))}


def parsed(*args: str) -> list[Attribution]:
    """Read the arguments, write them as YAML, read that and build the objects."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_function_arguments(study)
    text = parser.dump(parser.parse_args(list(args)))
    methods: list[Attribution] = parser.instantiate(parser.parse_string(text)).methods
    return methods


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["+=Gradient", ".precision=bf16", ".chunk_size=3"], Gradient("bf16", 3)),
        (["+=InputXGradient", ".chunk_size=3"], InputXGradient(chunk_size=3)),
        (["+=IntegratedGradients", ".baseline=[0.1, 0.2, 0.3]"], IntegratedGradients(baseline=(0.1, 0.2, 0.3))),
        (["+=SmoothGrad", ".num_samples=4", ".base=Gradient", ".base.precision=bf16"], SmoothGrad(BF16, 4)),
        (["+=SmoothGrad", ".base=IntegratedGradients", ".base.num_steps=3"], SmoothGrad(IntegratedGradients(3))),
        (["+=VarGrad", ".stdev=0.3", ".seed=7"], VarGrad(stdev=0.3, seed=7)),
        (["+=SparsifiedSmoothGrad", ".tau=0.2", ".base.precision=bf16"], SparsifiedSmoothGrad(BF16, tau=0.2)),
        (["+=GradCAM", ".layer=layer4"], GradCAM("layer4")),
        (
            ["+=MeanAttribution", ".methods=[{'class_path': 'Gradient'}, {'class_path': 'InputXGradient'}]"],
            MeanAttribution((Gradient(), InputXGradient())),
        ),
        (
            ["+=XRAI", ".superpixels=[{'class_path': 'Slic', 'init_args': {'n_segments': 9}}]", ".base=Gradient"],
            XRAI((Slic(9),), Gradient()),
        ),
        (["+=XRAI", ".dilation=3"], XRAI(dilation=3)),
        (
            ["+=FromCaptum", ".method=captum.attr.DeepLift", ".arguments={'eps': 0.1}"],
            FromCaptum(DeepLift, {"eps": 0.1}),
        ),
        (["+=GuidedBackprop", ".precision=bf16"], GuidedBackprop("bf16")),
        (["+=GuidedGradCAM", ".layer=layer4"], GuidedGradCAM("layer4")),
        (["+=Occlusion", ".window=5", ".baseline=[0.1, 0.2, 0.3]"], Occlusion(5, baseline=(0.1, 0.2, 0.3))),
        (["+=ExpectedGradients", ".num_samples=5", ".seed=3"], ExpectedGradients(5, seed=3)),
        (["+=SmoothGrad", ".base=ExpectedGradients"], SmoothGrad(ExpectedGradients())),
        (["+=RISE", ".score=logit", ".baseline=[0.1, 0.2, 0.3]"], RISE(score="logit", baseline=(0.1, 0.2, 0.3))),
    ],
    ids=lambda value: repr(value) if isinstance(value, Attribution) else "",
)
def test_every_method_is_built_from_the_command_line_and_from_yaml(args: list[str], expected: Attribution) -> None:
    assert parsed(*(f"--methods{arg}" for arg in args)) == [expected]


def test_short_names_build_a_list_of_defaults() -> None:
    expected = [Gradient(), SmoothGrad(), VarGrad(), SparsifiedSmoothGrad(), GradCAM(), IntegratedGradients()]
    assert parsed("--methods", f"[{', '.join(type(method).__name__ for method in expected)}]") == expected


@every_method
def test_settings_are_values(method: Attribution) -> None:
    copy = type(method)(**settings_of(method))
    assert copy == method
    assert hash(copy) == hash(method)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field"):
        setattr(method, next(iter(settings_of(method))), None)


def test_a_base_must_be_a_method() -> None:
    with pytest.raises(TypeError, match=r"Expected `base` to be an Attribution, such as Gradient\(\), got <class"):
        SmoothGrad(cast(Any, Gradient))
