"""A disk without room, or that cannot be written: a line names the file, and the next start finishes the study."""

import errno
import os
import resource
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest import mock

import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from lightning_spx.cli import main
from lightning_spx.evaluation.run_folder import write_atomic
from tests.faults.child import assert_same_run, files_of, start, words_for


def allow(size: int) -> None:
    """No file may grow beyond a number of bytes: what a full disk says, a file says."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def fail(number: int) -> None:
    raise OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("size", "named"),
    [(300, "run.json"), (3000, "repeat0-model0"), (20_000, "figures|examples|per_image|localisation")],
)
def test_no_room_for_a_file_is_a_line_that_names_it(undisturbed: Path, tmp_path: Path, size: int, named: str) -> None:
    out = tmp_path / "run"
    ended = start(out, partial(allow, size), 0, "write" if size == 300 else "train")
    assert ended.code == 2
    assert ended.last.startswith(f"error: Expected to use {out}/")
    assert any(part in ended.last.split(", got")[0] for part in named.split("|"))
    assert ended.last.endswith(
        "got: File too large. Make room and start the same command again: what is finished is kept."
    )
    assert not any("Traceback" in line for line in ended.lines)
    assert not [path for path in files_of(out) if ".part" in path.name]
    kept = {path: (out / path).stat().st_mtime_ns for path in files_of(out) if path.suffix in (".ckpt", ".parquet")}
    if size == 300:
        return
    assert start(out).code == 0
    assert_same_run(out, undisturbed)
    assert kept == {path: (out / path).stat().st_mtime_ns for path in kept}


@pytest.mark.parametrize(("number", "at"), [(errno.ENOSPC, 21), (errno.EDQUOT, 40), (errno.EIO, 60)])
def test_a_disk_that_refuses_in_the_middle(undisturbed: Path, tmp_path: Path, number: int, at: int) -> None:
    out = tmp_path / "run"
    ended = start(out, partial(fail, number), at, "write")
    assert ended.code == 2
    assert ended.last.startswith(f"error: Expected to use {out}/")
    assert f"got: {os.strerror(number)}. " in ended.last
    assert not any("Traceback" in line for line in ended.lines)
    if number == errno.ENOSPC:
        assert start(out).code == 0
        assert_same_run(out, undisturbed)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    words = words_for(tmp_path / "run")
    refused = OSError(number, os.strerror(number), str(tmp_path / "run" / ".lock"))
    with mock.patch("pathlib.Path.open", side_effect=refused), pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"error: Expected to use {tmp_path}/run/.lock, got: {os.strerror(number)}. Allow it, or")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that nobody can write")
def test_a_folder_where_nobody_can_make_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = [*words_for(tmp_path / "run")[:-1], "/proc/spx"]
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: Expected to use /proc/spx, got: ")


def write_figure(path: Path) -> None:
    Figure().savefig(path)


@pytest.mark.parametrize(
    ("name", "writer"),
    [
        ("weights.pt", lambda path: torch.save({"weights": torch.rand(9999)}, path)),
        ("values.parquet", lambda path: pd.DataFrame({"value": torch.rand(9999)}).to_parquet(path)),
        ("table.csv", lambda path: pd.DataFrame({"value": torch.rand(9999)}).to_csv(path)),
        ("figure.png", write_figure),
    ],
)
def test_every_writer_names_its_file(tmp_path: Path, name: str, writer: Callable[[Path], object]) -> None:
    (tmp_path / name).write_text("before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    allow(2000)
    try:
        with pytest.raises(OSError, match=name) as error:
            write_atomic(tmp_path / name, writer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.value.filename == str(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "before"
