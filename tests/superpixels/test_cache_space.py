"""A cache keeps its size, and removes only its own files."""

import os
import time
from pathlib import Path

from torch import Tensor

from lightning_spx.superpixels import Cached, Slic
from lightning_spx.superpixels.cache_entry import entry
from tests.superpixels.cache_cases import SLIC, files


def test_only_its_own_files_are_removed(images: Tensor, tmp_path: Path) -> None:
    others = [
        tmp_path / name for name in ("photos.tar", "a/0.segments", "0123456789abcdef/notes", "0123456789abcdef.tmp")
    ]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(5000))
        os.utime(path, (0, 0))
    Cached(SLIC, tmp_path, max_bytes=1)(images)
    assert files(tmp_path) == sorted(others)


def test_all_that_write_into_a_folder_keep_its_size_together(images: Tensor, tmp_path: Path) -> None:
    one = len(entry(SLIC(images[:1])[0].numpy(), 1))
    for n_segments in (5, 10, 15, 20):
        Cached(Slic(n_segments), tmp_path, max_bytes=3 * one)(images[:1])
        time.sleep(0.01)
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 3 * one


def test_what_a_killed_writer_left_is_removed(images: Tensor, tmp_path: Path) -> None:
    folder = Cached(SLIC, tmp_path).folder
    folder.mkdir()
    fresh, stale = folder / f".{32 * 'f'}.tmp", folder / f".{32 * '5'}.tmp"
    fresh.write_bytes(b"half")
    stale.write_bytes(b"half")
    os.utime(stale, (0, 0))
    Cached(SLIC, tmp_path)(images)
    assert fresh.exists()
    assert not stale.exists()
