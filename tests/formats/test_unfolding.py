"""A strip that unfolds to more than any image is refused before tifffile unfolds it."""

import lzma
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile

from lightning_spx.formats import unfolding
from lightning_spx.formats.photo import read_photo


@pytest.mark.parametrize("name", ["zlib", "lzma"])
def test_a_strip_that_unfolds_too_far_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    numbers = np.random.default_rng(0).integers(0, 65_536, (40, 50)).astype(np.uint16)
    tifffile.imwrite(path, numbers, compression=name, photometric="minisblack")
    # limits of a small test
    monkeypatch.setattr(unfolding, "UNSUSPICIOUS", dict.fromkeys(unfolding.UNSUSPICIOUS, 8))
    monkeypatch.setattr(unfolding, "STEP", 512)
    assert np.array_equal(read_photo(path, 1)[..., 0], (numbers / 65_535).astype(np.float32))
    whole = path.read_bytes()
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        at, length = page.dataoffsets[0], page.databytecounts[0]
    packed = (zlib.compress if name == "zlib" else lzma.compress)(bytes(200_000))
    path.write_bytes(whole[:at] + packed.ljust(length, b"\0") + whole[at + length :])
    monkeypatch.setattr(unfolding, "MAX_UNFOLDED", 100_000)
    assert len(packed) < length
    with pytest.raises(ValueError, match=r"a\.tif to be a readable image: a strip of \d+ bytes unfolds to more than"):
        read_photo(path)
