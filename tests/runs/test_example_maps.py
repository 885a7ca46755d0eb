"""Examples of a run: what was saved is loaded and drawn, whatever the number of channels."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_spx.reporting import map_grid, map_panel, outline_segments, picture_of
from lightning_spx.runs.example_maps import Examples
from tests.pictures import drawn


@pytest.mark.parametrize("channels", [1, 2, 3, 10])
def test_examples_of_any_channels_come_back_and_are_drawn(channels: int, tmp_path: Path) -> None:
    draw = torch.Generator().manual_seed(0)
    images = torch.rand(2, channels, 8, 6, generator=draw)
    ids = torch.zeros(2, 8, 6, dtype=torch.int64)
    ids[:, 4:] = 1
    attributions = torch.rand(3, 2, channels, 8, 6, generator=draw)
    saved = Examples(images.numpy(), {"Slic": ids.numpy()}, attributions.numpy())
    saved.save(tmp_path / "a.npz")
    found = Examples.load(tmp_path / "a.npz")
    assert np.array_equal(found.images, images)
    assert np.array_equal(found.attributions, attributions)
    assert np.array_equal(found.segments["Slic"], ids)
    gray = images if channels == 3 else images.double().mean(1, keepdim=True).float().expand(-1, 3, -1, -1)
    maps = attributions.abs().mean(2)
    with drawn():
        figure = map_panel(images, {"Slic": ids}, maps, {"Slic": maps}, ["a", "b", "c"], "")
    shown = figure.axes[0].images[0]
    torch.testing.assert_close(torch.as_tensor(shown.get_array()), gray[0].permute(1, 2, 0))
    assert picture_of(images[0]).shape == (8, 6, 3)
    outlined = outline_segments(images, ids)
    assert outlined.shape[1] == 3
    assert map_grid({"image": images, "Slic": outlined, "maps": maps[0]}).shape[2] == 3


def test_maps_of_filters_come_back_and_files_of_earlier_versions_have_none(tmp_path: Path) -> None:
    images, attributions = np.zeros((2, 3, 8, 6), np.float32), np.zeros((3, 2, 3, 8, 6), np.float32)
    maps = np.random.default_rng(0).random((3, 2, 8, 6), np.float32)
    ids = {"Precomputed(root=a/b)": np.zeros((2, 8, 6), np.int64)}
    Examples(images, ids, attributions, {"before": {"Mine(root=a/b)": maps}}).save(tmp_path / "a.npz")
    found = Examples.load(tmp_path / "a.npz")
    assert np.array_equal(found.filtered["before"]["Mine(root=a/b)"], maps)
    assert list(found.segments) == ["Precomputed(root=a/b)"]
    # as earlier versions wrote them
    Examples(images, ids, attributions).save(tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz") as file:
        assert sorted(file.files) == ["attributions", "images", "segments/Precomputed(root=a/b)"]
    assert Examples.load(tmp_path / "b.npz").filtered == {}
    Examples(images, {}, attributions, {"after": {"Mine": maps[:2]}}).save(tmp_path / "c.npz")
    with pytest.raises(ValueError, match=r"c\.npz, got arrays that do not belong together"):
        Examples.load(tmp_path / "c.npz")


def test_examples_may_keep_the_colors_of_images_beside_the_maps_of_their_bands(tmp_path: Path) -> None:
    saved = Examples(np.zeros((2, 3, 8, 6), np.float32), {}, np.zeros((3, 2, 10, 8, 6), np.float32))
    saved.save(tmp_path / "a.npz")
    assert Examples.load(tmp_path / "a.npz").attributions.shape == (3, 2, 10, 8, 6)
