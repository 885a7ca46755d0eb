"""A stored entry keeps its ids."""

from pathlib import Path

import pytest
import torch

from lightning_spx.superpixels.cache_entry import entry, read_entry


@pytest.mark.parametrize("count", [3, 256, 257, 70_000])
def test_ids_of_any_number_are_kept(count: int, tmp_path: Path) -> None:
    labels = torch.arange(280 * 256).view(280, 256) % count
    path = tmp_path / "file"
    path.write_bytes(entry(labels.numpy(), 7))
    stored = read_entry(path, (280, 256), 7)
    assert stored is not None
    assert (stored == labels.numpy()).all()
    assert len(path.read_bytes()) == 20 + labels.numel() * (1 if count <= 256 else 2 if count <= 2**16 else 4)
