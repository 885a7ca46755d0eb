import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lightning_spx.superpixels import Cached, Grid, Segmenter, Slic, check_segments
from lightning_spx.superpixels.cache_entry import entry
from lightning_spx.superpixels.image_key import eight_bit
from tests.processes import COPIES
from tests.superpixels.cache_cases import SLIC, files

calls: list[int] = []


@pytest.fixture(autouse=True)
def no_calls() -> None:
    calls.clear()


@dataclass(frozen=True)
class Counting(Segmenter):
    """Slic that notes how many images it was given."""

    n_segments: int = 20

    def __call__(self, images: Tensor) -> Tensor:
        calls.append(len(images))
        return Slic(self.n_segments)(images)


@dataclass(frozen=True)
class Broken(Segmenter):
    def __call__(self, images: Tensor) -> Tensor:
        return torch.ones(len(images), *images.shape[2:], dtype=torch.int64)


def segment_in_process(images: Tensor, root: Path) -> Tensor:
    torch.set_num_threads(1)
    return Cached(SLIC, root)(images)


def test_a_hit_does_not_call_the_segmenter(images: Tensor, tmp_path: Path) -> None:
    first = Cached(Counting(), tmp_path)(images)
    assert calls == [4]
    again = Cached(Counting(), str(tmp_path))(images.flip(0))
    assert calls == [4]
    assert torch.equal(again.flip(0), first)
    assert again.dtype == torch.int64


def test_the_result_is_the_segmenters_on_the_eight_bit_image(images: Tensor, tmp_path: Path) -> None:
    rounded = eight_bit(images).float() / 255
    for _ in range(2):
        assert torch.equal(Cached(SLIC, tmp_path)(images), SLIC(rounded))
        assert torch.equal(Cached(SLIC, tmp_path)(rounded), SLIC(rounded))


def test_only_unknown_images_are_computed_and_each_once(images: Tensor, tmp_path: Path) -> None:
    cached = Cached(Counting(), tmp_path)
    cached(images[1:2])
    repeated = cached(images[[0, 1, 2, 2, 0]])
    assert calls == [1, 2]
    assert torch.equal(repeated, SLIC(eight_bit(images[[0, 1, 2, 2, 0]]).float() / 255))


def test_settings_and_classes_do_not_share_files(images: Tensor, tmp_path: Path) -> None:
    Cached(Counting(20), tmp_path)(images)
    Cached(Counting(10), tmp_path)(images)
    assert calls == [4, 4]
    assert torch.equal(Cached(Grid(20), tmp_path)(images), Grid(20)(images))
    assert len(files(tmp_path)) == 12


def test_images_of_two_sizes_share_a_folder(images: Tensor, tmp_path: Path) -> None:
    cached = Cached(SLIC, tmp_path)
    for batch in (images, images[..., :20], images.mT):
        assert torch.equal(cached(batch), cached(batch))
        assert cached(batch).shape == (4, *batch.shape[2:])
    assert len(files(tmp_path)) == 12


def test_any_damage_to_a_file_is_repaired(images: Tensor, tmp_path: Path) -> None:
    image = images[:1, :, :6, :6]
    cached = Cached(Counting(4), tmp_path)
    expected = cached(image)
    path = files(tmp_path)[0]
    whole = path.read_bytes()
    damaged = [whole[:length] for length in range(len(whole))]
    damaged += [whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :] for place in range(len(whole))]
    damaged += [whole + b"more", b"no segments at all"]
    for content in damaged:
        path.write_bytes(content)
        calls.clear()
        assert torch.equal(cached(image), expected)
        assert calls == [1]
        assert path.read_bytes() == whole


def test_two_threads_that_write_the_same_files_agree(images: Tensor, tmp_path: Path) -> None:
    start = threading.Barrier(4, timeout=20)

    def work(_: int) -> Tensor:
        start.wait()
        return Cached(Counting(), tmp_path)(images)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(4)))
    assert all(torch.equal(result, results[0]) for result in results)
    assert len(files(tmp_path)) == 4


def test_two_processes_that_write_the_same_files_agree(images: Tensor, tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=COPIES) as pool:
        results = list(pool.map(segment_in_process, [images, images.flip(0)], [tmp_path, tmp_path]))
    assert torch.equal(results[0], results[1].flip(0))
    assert len(files(tmp_path)) == 4
    assert torch.equal(Cached(SLIC, tmp_path)(images), results[0])


def test_an_empty_batch_touches_nothing(tmp_path: Path) -> None:
    assert Cached(Counting(), tmp_path / "none")(torch.empty(0, 3, 4, 5)).shape == (0, 4, 5)
    assert calls == []
    assert not files(tmp_path)


def test_it_works_in_inference_mode(images: Tensor, tmp_path: Path) -> None:
    with torch.inference_mode():
        segments = Cached(SLIC, tmp_path)(images)
    check_segments(segments)
    assert torch.equal(Cached(SLIC, tmp_path)(images), segments)


def test_broken_segments_are_not_stored(images: Tensor, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without gaps"):
        Cached(Broken(), tmp_path)(images)
    assert not files(tmp_path)


def test_a_segmenter_without_readable_settings_is_refused(tmp_path: Path) -> None:
    class Plain(Segmenter):
        def __call__(self, images: Tensor) -> Tensor:
            return torch.zeros(len(images), *images.shape[2:], dtype=torch.int64)

    with pytest.raises(TypeError, match="Expected `segmenter` to be a dataclass, got Plain"):
        Cached(Plain(), tmp_path)


def test_an_image_is_found_by_its_place(images: Tensor, tmp_path: Path) -> None:
    cached, index = Cached(Counting(), tmp_path), torch.tensor([5, 2, 9, 0])
    first = cached.of_index(images, "photos", index)
    again = cached.of_index(images[[2, 0]], "photos", index[[2, 0]])
    assert calls == [4]
    assert torch.equal(first, SLIC(eight_bit(images).float() / 255))
    assert torch.equal(again, first[[2, 0]])
    assert sorted(path.name for path in files(tmp_path)) == ["0.segments", "2.segments", "5.segments", "9.segments"]


def test_places_of_other_data_sizes_and_images_are_not_mistaken(images: Tensor, tmp_path: Path) -> None:
    cached, index = Cached(Counting(), tmp_path), torch.arange(4)
    cached.of_index(images, "photos", index)
    for other, data in ((images, "drawings"), (images[..., :20], "photos"), (images.flip(0), "photos")):
        calls.clear()
        assert torch.equal(cached.of_index(other, data, index), SLIC(eight_bit(other).float() / 255))
        assert calls == [4]
    with pytest.raises(ValueError, match=r"Expected `index` of shape \(4,\), got \(3,\)"):
        cached.of_index(images, "photos", index[:3])


def test_the_folder_stays_below_its_size(images: Tensor, tmp_path: Path) -> None:
    one = len(entry(SLIC(images[:1])[0].numpy(), 1))
    cached = Cached(Counting(), tmp_path, max_bytes=3 * one)
    for image in images:
        cached(image[None])
        # written first is removed first, also where the clock is coarse
        time.sleep(0.01)
    left = files(tmp_path)
    assert sum(path.stat().st_size for path in left) <= 3 * one
    calls.clear()
    cached(images[3:])
    assert calls == []
    cached(images[:1])
    assert calls == [1]


@pytest.mark.parametrize("size", [32, 64, 224])
def test_images_with_the_same_border_are_not_mistaken(size: int, tmp_path: Path) -> None:
    first, second = torch.rand(2, 1, 3, size, size, generator=torch.Generator().manual_seed(0))
    second[..., 0] = first[..., 0]
    near = first.clone()
    near[..., size // 2 : size // 2 + 3, size // 3 : size // 3 + 3] = 0.5
    for image in (first, second, near):
        calls.clear()
        Cached(Counting(), tmp_path).of_index(image, "photos", torch.tensor([0]))
        assert calls == [1]
