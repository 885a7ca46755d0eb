"""Reads the reference of a comparison: a checkpoint with the weights of another model of the same architecture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from lightning_spx.models.checkpoint_file import read_state_for
from lightning_spx.models.placed_weights import PlacedWeights, weights_of
from lightning_spx.models.weights import versions_of, with_versions


def read_reference(checkpoint: Path, module: nn.Module) -> Mapping[str, Any]:
    """Read the weights of another model of the same architecture.

    Args:
        checkpoint: a file that `fit` has saved.
        module: the model that the weights must fit.

    Returns:
        Weights and buffers on the CPU, by their names in the module or by older names that torch knows for them. Under
        the module's own names, tensors have the types that they have in the module.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no checkpoint, or does not fit the module.
    """
    state = weights_of(module, read_state_for(module, checkpoint))
    try:
        PlacedWeights(module, state)
    except ValueError as error:
        raise ValueError(f"Expected the reference {checkpoint} to fit {type(module).__name__}, got {error}.") from error
    own = module.state_dict()
    # the reference may have been trained in another precision
    values = {name: value.to(own[name].dtype) if _is_tensor(own, name) else value for name, value in state.items()}
    return with_versions(values, versions_of(state))


def _is_tensor(state: Mapping[str, Any], name: str) -> bool:
    return isinstance(state.get(name), Tensor)
