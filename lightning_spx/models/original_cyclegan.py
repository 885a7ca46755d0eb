"""Networks from the files of CycleGAN's original code, `pytorch-CycleGAN-and-pix2pix`, such as `latest_net_D_A.pth`.

Such a file is the plain state of one network for images in [-1, 1]; ours have the same layers and take images in [0,
1].
"""

import re
from collections.abc import Mapping

from torch import Tensor

from lightning_spx.models.cyclegan_networks import PatchDiscriminator, ResNetGenerator
from lightning_spx.models.weights import state_mismatch

# prefixes that wrappers around the saved network add
PREFIXES = ("module.", "_orig_mod.")
CONVOLUTION = re.compile(r"model\.(\d+)\.weight")
BLOCK = re.compile(r"model\.\d+\.conv_block\.")
# instance normalization of torch 0.3 saved these without using them; the original code drops them too
UNUSED = ("running_mean", "running_var", "num_batches_tracked")
ORIGINAL = "the original CycleGAN code"


def original_state(content: object) -> dict[str, Tensor] | None:
    """Return the state of a network of the original code by its names there, or None if it is something else.

    Args:
        content: the content of a file, as `torch.load` returns it.

    Example:
        >>> import torch
        >>> list(original_state({"module.model.0.weight": torch.zeros(1)}))
        ['model.0.weight']
        >>> original_state({"state_dict": {}}) is None
        True
    """
    if not isinstance(content, Mapping) or not content:
        return None
    state: dict[str, Tensor] = {}
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            return None
        while name.startswith(PREFIXES):
            name = name.partition(".")[2]
        state[name] = value
    own = any(name.startswith(("model.", "net.")) for name in state)
    return state if own and all(name.startswith(("model.", "net.")) for name in state) else None


def original_discriminator(state: Mapping[str, Tensor]) -> PatchDiscriminator:
    """Build a discriminator from a state of the original `NLayerDiscriminator` with instance normalization.

    Args:
        state: the state with the names of the original code, as `original_state` returns it.

    Returns:
        A discriminator that scores an image x in [0, 1] as the original network scores 2 x - 1.

    Raises:
        ValueError: it is the state of another network; the message says which.

    Example:
        >>> ours = PatchDiscriminator(num_layers=1, channels=2)
        >>> state = {name.replace("layers.", "model."): value for name, value in ours.state_dict().items()}
        >>> original_discriminator(state).num_layers
        1
    """
    if any(BLOCK.match(name) or name.startswith("model.model.") for name in state):
        raise ValueError(f"it is a generator of {ORIGINAL}, not a discriminator: take latest_net_D_A.pth or D_B")
    if any(name.startswith("net.") for name in state):
        raise ValueError(f"it is a discriminator of single pixels of {ORIGINAL}, not of patches")
    weights = {int(match[1]): value for name, value in state.items() if (match := CONVOLUTION.fullmatch(name))}
    if any(value.ndim != 4 for value in weights.values()):
        raise ValueError(f"it is a discriminator of {ORIGINAL} with batch normalization, not instance normalization")
    if len(weights) < 3:
        raise ValueError(f"it is no discriminator of {ORIGINAL}, which has at least 3 convolutions")
    first = weights[min(weights)]
    if first.shape[1] != 3:
        raise ValueError(f"it is a discriminator of {ORIGINAL} for images of {first.shape[1]} channels, not of 3")
    discriminator = PatchDiscriminator(num_layers=len(weights) - 2, channels=len(first))
    _load(discriminator, {f"layers.{name.removeprefix('model.')}": value for name, value in state.items()})
    return discriminator


def original_generator(state: Mapping[str, Tensor]) -> ResNetGenerator:
    """Build a generator from a state of the original `ResnetGenerator` with instance normalization.

    Args:
        state: the state with the names of the original code, as `original_state` returns it.

    Returns:
        A generator that translates an image x in [0, 1] as the original network translates 2 x - 1.

    Raises:
        ValueError: it is the state of another network.
    """
    blocks = {name.split(".")[1] for name in state if BLOCK.match(name)}
    first = state.get("model.1.weight")
    if not blocks or first is None:
        raise ValueError(f"it is no generator of residual blocks of {ORIGINAL}")
    generator = ResNetGenerator(num_blocks=len(blocks), channels=len(first))
    # with dropout, a block has one more layer before its second convolution
    ours = {
        name.replace("model.", "layers.", 1)
        .replace(".conv_block.6.weight", ".conv_block.5.weight")
        .replace(".conv_block.6.bias", ".conv_block.5.bias")
        .replace(".conv_block.", ".layers."): value
        for name, value in state.items()
    }
    _load(generator, ours)
    return generator


def _load(network: PatchDiscriminator | ResNetGenerator, state: Mapping[str, Tensor]) -> None:
    own = network.state_dict()
    convolutions = {name.rpartition(".")[0] for name in own}
    used = {
        name: value
        for name, value in state.items()
        if not (name.endswith(UNUSED) and name.rpartition(".")[0] not in convolutions)
    }
    mismatch = state_mismatch(network, used)
    if mismatch:
        raise ValueError(f"it does not fit {type(network).__name__}, which has {mismatch}")
    network.load_state_dict(used)
