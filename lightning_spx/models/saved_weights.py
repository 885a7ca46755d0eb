"""Reads weights from a file of any common form, and puts them into a module."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from lightning_spx.models.safe_file import read_plain
from lightning_spx.models.saved_settings import with_saved_settings
from lightning_spx.models.sharded import check_in_one_file
from lightning_spx.models.weights import load_weights, under_own_names

# weights in a folder that `save_pretrained` of a Hugging Face model has written
PRETRAINED_FILES = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class SavedWeights:
    """What a file of weights holds.

    Args:
        path: the file or folder that the user named.
        state: tensors on the CPU by the names they were saved under.
        settings: the hyper-parameters that a Lightning checkpoint says; empty for other files.
    """

    path: Path
    state: Mapping[str, Any]
    settings: Mapping[str, Any]

    def put_into(self, module: nn.Module) -> nn.Module:
        """Load the weights into a module, or into one with the hyper-parameters of the file, and return it.

        Args:
            module: a LightningModule, or a network inside or around what was saved.

        Raises:
            ValueError: they belong to another architecture.
        """
        module = with_saved_settings(module, self.settings, self.path)
        try:
            load_weights(module, under_own_names(module, self.state))
        except ValueError as error:
            raise ValueError(
                f"Expected a checkpoint of the configured `model` ({type(module).__name__}), got {self.path}: {error}"
            ) from error
        return module.eval()


def read_saved(path: Path) -> SavedWeights:
    """Read the weights in a file, without running code from it.

    Args:
        path: a Lightning checkpoint, a file of `torch.save(network.state_dict(), path)`, a .safetensors file, or the
            folder of a Hugging Face model.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is damaged, or holds something else; the message says what.

    Example:
        >>> import tempfile
        >>> import torch
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save({"state_dict": {"weight": torch.ones(1)}}, f"{folder}/a.ckpt")
        ...     read_saved(Path(folder, "a.ckpt")).state
        {'weight': tensor([1.])}
    """
    file = weights_file(path)
    check_exists(file)
    try:
        content = read_plain(file)
    except ValueError as error:
        raise ValueError(f"Expected a checkpoint or a file of weights, got {file}: {error}") from error
    whole = content if isinstance(content, dict) else {}
    in_checkpoint = isinstance(whole.get("state_dict"), dict) and bool(whole["state_dict"])
    state = whole["state_dict"] if in_checkpoint else content
    has_tensors = isinstance(state, dict) and any(isinstance(value, Tensor) for value in state.values())
    if not isinstance(state, dict) or not (in_checkpoint or has_tensors):
        raise ValueError(
            f"Expected a checkpoint, or a file of `network.state_dict()`, got {file}, which holds {held(content)}."
        )
    if not all(isinstance(name, str) for name in state):
        raise ValueError(f"Expected the state in {file} to be tensors by their names, got other keys.")
    settings = whole.get("hyper_parameters") if in_checkpoint else None
    return SavedWeights(path, state, settings if isinstance(settings, Mapping) else {})


def check_exists(checkpoint: Path) -> None:
    """Raise a FileNotFoundError with the next step if the file is missing, a ValueError if it is split into several."""
    check_in_one_file(checkpoint)
    if not checkpoint.is_file():
        raise FileNotFoundError(f"Expected a checkpoint at {checkpoint}, found none. Name files that `fit` has saved.")


def weights_file(path: Path) -> Path:
    """Return the file of weights in the folder of a Hugging Face model; any other path is returned as it is."""
    return next((path / name for name in PRETRAINED_FILES if (path / name).is_file()), path)


def held(content: object) -> str:
    """Say what a file holds instead of named tensors, and what to do if it contains a state."""
    if not isinstance(content, dict):
        return f"a {type(content).__name__}"
    keys = ", ".join(str(key) for key in list(content)[:5])
    said = f"a dict of {keys}{'' if len(content) <= 5 else f' and {len(content) - 5} more'}" if content else "nothing"
    states = [
        str(key)
        for key, value in content.items()
        if isinstance(value, dict) and value and all(isinstance(each, Tensor) for each in value.values())
    ]
    # the first serves as example
    return f"{said}: save one of its states, such as `torch.save(content[{states[0]!r}], path)`" if states else said
