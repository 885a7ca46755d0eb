"""A file of a run is written whole or not at all."""

import errno
from pathlib import Path

import pytest

from lightning_spx.runs.files import write_atomic


def test_a_full_disk_leaves_the_old_file_whole(tmp_path: Path) -> None:
    target = tmp_path / "results.csv"
    target.write_text("old")

    def fill_the_disk(path: Path) -> None:
        path.write_text("ne")
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with pytest.raises(OSError, match="No space left"):
        write_atomic(target, fill_the_disk)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
