"""Weights in several files: refused with the step that joins them."""

import warnings
from pathlib import Path

import pytest
import torch
from torch.distributed.checkpoint.state_dict_saver import save

from lightning_spx.evaluation.training.named_networks import NamedNetwork
from lightning_spx.models import SmallResNet
from lightning_spx.models.sharded import check_in_one_file


def distributed(folder: Path) -> Path:
    """A folder as `torch.distributed.checkpoint` writes it, in one process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save({"model": {"weight": torch.ones(2)}}, checkpoint_id=folder, no_dist=True)
    return folder


def refused(path: Path) -> str:
    with pytest.raises(ValueError, match="Expected one file of weights, got ") as error:
        check_in_one_file(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_shards_of_torch_and_of_lightnings_fsdp_are_told_apart(tmp_path: Path) -> None:
    folder = distributed(tmp_path / "epoch=0 step=1.ckpt")
    assert f"format_utils dcp_to_torch '{folder}' weights.pt" in refused(folder)
    torch.save({}, folder / "meta.pt")
    assert f"lightning.pytorch.utilities.consolidate_checkpoint '{folder}'" in refused(folder)
    assert "one file of shards (FSDP of Lightning): join them with `python -m" in refused(folder / "__0_0.distcp")


def test_the_named_step_joins_the_shards(tmp_path: Path) -> None:
    from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp_to_torch_save(distributed(tmp_path / "shards"), tmp_path / "weights.pt")
    assert torch.equal(torch.load(tmp_path / "weights.pt", weights_only=True)["model"]["weight"], torch.ones(2))
    check_in_one_file(tmp_path / "weights.pt")


@pytest.mark.parametrize("names", [["latest", "global_step1/mp_rank_00_model_states.pt"], ["zero_to_fp32.py"]])
def test_shards_of_deepspeed(tmp_path: Path, names: list[str]) -> None:
    folder = tmp_path / "last.ckpt"
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    said = f"convert_zero_checkpoint_to_fp32_state_dict('{folder}', 'weights.ckpt')"
    assert said in refused(folder)
    for name in names[1:]:
        assert said in refused(folder / name)


def test_shards_of_hugging_face(tmp_path: Path) -> None:
    for name in (
        "model.safetensors.index.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ):
        (tmp_path / name).write_bytes(b"")
    for path in (tmp_path, *tmp_path.iterdir()):
        assert "from_pretrained" in refused(path)


def test_other_files_and_folders_pass(tmp_path: Path) -> None:
    distributed(tmp_path / "shards")
    torch.save({}, tmp_path / "weights.pt")
    (tmp_path / "empty").mkdir()
    for name in ("weights.pt", "empty", "nowhere"):
        check_in_one_file(tmp_path / name)


def test_weights_of_a_network_are_in_one_file(tmp_path: Path) -> None:
    folder = distributed(tmp_path / "shards")
    with pytest.raises(ValueError, match="a folder of shards"):
        NamedNetwork(SmallResNet(), str(folder)).build()
