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
from lightning_spx.runs.files import write_atomic
from lightning_spx.superpixels import Cached, Grid
from tests.command_line import FIT
from tests.evaluation.commands.test_rerun import ROAR
from tests.faults.child import assert_same_run, files_of, start, words_for
from tests.pictures import drawn


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


@pytest.mark.parametrize(("number", "at"), [(errno.ENOSPC, 21), (errno.EDQUOT, 40)])
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


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_names_the_splits(tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int) -> None:
    def full(handle: int) -> None:
        if "splits" in os.readlink(f"/proc/self/fd/{handle}"):
            fail(number)

    with mock.patch("os.fsync", full), pytest.raises(SystemExit) as ended:
        main(words_for(tmp_path / "run"))
    assert ended.value.code == 2
    said = (
        f"error: Expected to use {tmp_path}/run/splits.json, got: {os.strerror(number)}. Make room and start the same"
    )
    assert capsys.readouterr().err.splitlines()[-1].startswith(said)
    assert not (tmp_path / "run" / "splits.json").exists()


def test_cached_segments_are_named(tmp_path: Path) -> None:
    segmenter = Cached(Grid(16), tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    allow(100)
    try:
        with pytest.raises(OSError, match=r"File too large: .*\.segments") as error:
            segmenter(torch.rand(1, 3, 32, 32))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert Path(str(error.value.filename)).parent == segmenter.folder
    assert not list(segmenter.folder.iterdir())


def test_a_checkpoint_of_lightnings_own_commands_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["spx"])
    words = [
        "fit",
        *FIT,
        "--trainer.max_epochs=1",
        "--trainer.limit_train_batches=1",
        "--trainer.default_root_dir=here",
    ]
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with mock.patch("lightning.fabric.plugins.io.torch_io._atomic_save", side_effect=full), pytest.raises(SystemExit):
        main(words)
    last = capsys.readouterr().err.splitlines()[-1]
    assert "here/checkpoints/epoch=0-step=1.ckpt, got: No space left on device. Make room and" in last
    # which starts anew
    assert "what is finished is kept" not in last
    assert last.endswith("with `--ckpt_path`.")


def test_ranks_find_out_before_they_are_mapped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with mock.patch("os.posix_fallocate", side_effect=full), pytest.raises(SystemExit):
        main([*ROAR, "--out=run"])
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: Expected to use run/ranks/random_pixel_either.npy, got: No space left on device.")


def write_figure(path: Path) -> None:
    with drawn():  # a blank picture is smaller than the disk
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
