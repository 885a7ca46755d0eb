"""Recognizes weights split into several files, as distributed training saves them, and says how to join them."""

from pathlib import Path
from shlex import quote

LIGHTNING = (
    "join them with `python -m lightning.pytorch.utilities.consolidate_checkpoint {folder}` and name its result, the "
    "folder's name with .consolidated"
)
TORCH = (
    "join them with `python -m torch.distributed.checkpoint.format_utils dcp_to_torch {folder} weights.pt` and name "
    "weights.pt"
)
DEEPSPEED = (
    "join them with lightning.pytorch.utilities.deepspeed's convert_zero_checkpoint_to_fp32_state_dict({folder!r}, "
    "'weights.ckpt') and name weights.ckpt"
)
HUGGING_FACE = "load the model with its `from_pretrained`, `torch.save` its `state_dict()` and name that file"
INDICES = ("*.safetensors.index.json", "*.bin.index.json")
# names of one of several files that lie beside each other
SHARDS = ("*-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9].*",)
STATES = ("*_model_states.pt", "*_optim_states.pt")


def check_in_one_file(path: Path) -> None:
    """Refuse weights that are split into several files, and name the step that joins them.

    Args:
        path: the path that was given as a checkpoint or weight file; it may not exist.

    Raises:
        ValueError: it is the folder, or one of the files, of split weights; the message names the step.

    Example:
        >>> check_in_one_file(Path("weights.pt"))
    """
    is_shard = path.is_file() and _is_shard(path)
    # DeepSpeed needs the folder above its shards
    above = (path.parent.parent,) if any(path.match(pattern) for pattern in STATES) else ()
    for folder in (*above, path.parent) if is_shard else (path,):
        found = _of_folder(folder) if folder.is_dir() else None
        if found is not None:
            kind, step = found
            one = "one file" if is_shard else "a folder"
            raise ValueError(f"Expected one file of weights, got {path}, {one} of {kind}: {_filled(step, folder)}.")


def _filled(step: str, folder: Path) -> str:
    return step.format(folder=quote(str(folder)) if "python -m" in step else str(folder))


def _is_shard(path: Path) -> bool:
    return path.suffix == ".distcp" or any(path.match(pattern) for pattern in (*SHARDS, *STATES, *INDICES))


def _of_folder(folder: Path) -> tuple[str, str] | None:
    """Say what kind of split weights a folder holds and what to do with them; None if it holds none."""
    if (folder / ".metadata").is_file() or any(folder.glob("*.distcp")):
        if (folder / "meta.pt").is_file():
            return "shards (FSDP of Lightning)", LIGHTNING
        return "shards (torch.distributed.checkpoint)", TORCH
    states = [path for below in (folder, *_folders(folder)) for path in below.glob(STATES[0])]
    if states or (folder / "zero_to_fp32.py").is_file():
        return "shards (DeepSpeed)", DEEPSPEED
    for index in (path for pattern in INDICES for path in folder.glob(pattern)):
        return f"shards ({index.name})", HUGGING_FACE
    return None


def _folders(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir()]
