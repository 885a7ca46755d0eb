"""The networks of `efficientnet_lite.py` with random weights: what their maps share, no training has taught them."""

from efficientnet_lite_pytorch import EfficientNet
from torch import nn


def lite0() -> nn.Module:
    """Return EfficientNet-Lite0 with random weights."""
    return _random("efficientnet-lite0")


def lite1() -> nn.Module:
    """Return EfficientNet-Lite1 with random weights."""
    return _random("efficientnet-lite1")


def lite2() -> nn.Module:
    """Return EfficientNet-Lite2 with random weights."""
    return _random("efficientnet-lite2")


def _random(name: str) -> nn.Module:
    network: nn.Module = EfficientNet.from_name(name)
    return network
