"""Every method that a configuration in the repository names, whatever its place there, explains an image."""

import json
from collections.abc import Callable

import torch

from lightning_spx import attribution, superpixels
from lightning_spx.models import SmallResNet
from tests.test_configs import cheaper_methods, configs


def made(setting: object) -> object:
    """The method that a configuration describes, with the methods and segmenters inside it."""
    if isinstance(setting, list):
        return [made(each) for each in setting]
    if not isinstance(setting, dict):
        return setting
    name = str(setting["class_path"])
    words = {argument: made(value) for argument, value in setting.get("init_args", {}).items()}
    kind: Callable[..., object] = getattr(attribution if hasattr(attribution, name) else superpixels, name)
    return kind(**words)


def test_every_method_of_the_configurations_explains_an_image() -> None:
    paths = [path for command in ("stability", "tradeoff", "roar", "ensemble") for path in configs(command)]
    words = [cheaper_methods(path, None).removeprefix("--methods=") for path in paths]
    image, network = torch.rand(1, 3, 32, 32), SmallResNet(width=4).eval()
    for text in {json.dumps(each) for word in words for each in json.loads(word)}:
        method = made(json.loads(text))
        assert isinstance(method, attribution.Attribution)
        found = method.attribute(network, image, torch.tensor([1]))
        assert found.shape[-2:] == (32, 32)
        assert found.isfinite().all()
