"""Label maps: the map that was stored, or one line that names the file, and no memory for what a file claims."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lightning_spx.formats.label_map import read_label_map
from lightning_spx.superpixels import Precomputed, image_key
from tests.inputs.label_maps import DEFINED_MAPS, GOOD, LABELS, REFUSED_MAPS, SHAPE
from tests.inputs.outcomes import refused, refused_or
from tests.inputs.strategies import damaged, examples

IMAGE: Tensor = torch.rand(1, 3, *SHAPE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", REFUSED_MAPS)
def test_a_file_that_is_no_label_map_is_refused_in_a_line_that_names_it(name: str, tmp_path: Path) -> None:
    suffix, content = REFUSED_MAPS[name]
    path = tmp_path / f"{image_key(IMAGE[0])}{suffix}"
    path.write_bytes(content)
    tracemalloc.start()
    refused(lambda: Precomputed(tmp_path)(IMAGE), str(path), str(SHAPE))
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


@pytest.mark.parametrize("name", DEFINED_MAPS)
def test_an_unusual_label_map_is_the_map(name: str, tmp_path: Path) -> None:
    suffix, content = DEFINED_MAPS[name]
    (tmp_path / f"{image_key(IMAGE[0])}{suffix}").write_bytes(content)
    assert Precomputed(tmp_path)(IMAGE)[0].tolist() == LABELS.tolist()


def check_damaged(content: tuple[str, bytes], folder: Path) -> None:
    suffix, stored = content
    path = folder / f"damaged{suffix}"
    path.write_bytes(stored)
    found = refused_or(lambda: read_label_map(path, SHAPE), str(path))
    if found is not None:
        assert isinstance(found, np.ndarray)
        assert found.shape == SHAPE
        assert np.issubdtype(found.dtype, np.integer)


def damaged_map(suffix: str) -> st.SearchStrategy[tuple[str, bytes]]:
    return st.tuples(st.just(suffix), damaged(GOOD[suffix]))


@examples(60)
@given(content=st.sampled_from(sorted(GOOD)).flatmap(damaged_map))
def test_a_damaged_label_map_is_read_or_named(
    content: tuple[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    check_damaged(content, tmp_path_factory.getbasetemp())


@pytest.mark.soak
@examples(20_000)
@given(content=st.sampled_from(sorted(GOOD)).flatmap(damaged_map))
def test_many_damaged_label_maps_are_read_or_named(
    content: tuple[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    check_damaged(content, tmp_path_factory.getbasetemp())
