import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lightning_spx.superpixels import Cached, Segmenter, image_key
from lightning_spx.superpixels.image_key import eight_bit, has_more_levels, write_whole


def test_all_256_levels_come_back() -> None:
    levels = torch.arange(256, dtype=torch.uint8).repeat(3).view(1, 3, 16, 16)
    for dtype in (torch.float32, torch.float64):
        assert torch.equal(eight_bit(levels.to(dtype) / 255), levels)
        assert torch.equal(eight_bit(levels.to(dtype) * (1 / 255)), levels)


def test_values_are_rounded_not_cut() -> None:
    values = torch.tensor([0.49, 0.51, 254.6]).view(1, 3, 1, 1) / 255
    assert eight_bit(values).flatten().tolist() == [0, 1, 255]


def test_a_key_stands_for_pixels_and_size(images: Tensor) -> None:
    image = images[0]
    assert image_key(image) == image_key(image.clone()) == image_key(image.double())
    assert image_key(image) != image_key(eight_bit(image[None])[0].float() / 255)
    others = [images[1], image.flip(0), image.flip(2), image.mT, image.reshape(3, 29, 37), image[:, :-1]]
    assert len({image_key(image), *map(image_key, others)}) == 7


def test_a_key_of_8_bits_is_that_of_earlier_versions(images: Tensor) -> None:
    levels = eight_bit(images)[0]
    # so that files on people's disks are found
    earlier = hashlib.sha256(b"(3, 37, 29)" + levels.numpy().tobytes()).hexdigest()
    for image in (levels.float() / 255, levels.double() / 255, levels.float() * (1 / 255), levels.half() / 255):
        assert image_key(image) == earlier
        assert not has_more_levels(image[None]).any()


def test_images_that_agree_in_their_upper_eight_bits_have_other_keys_and_other_files(tmp_path: Path) -> None:
    flat = torch.full((3, 16, 16), 0x8000 / 65_535)
    ramp = flat + torch.arange(16) / 65_535
    assert torch.equal(eight_bit(flat[None]), eight_bit(ramp[None]))
    assert has_more_levels(torch.stack([flat, ramp])).tolist() == [True, True]
    assert image_key(flat) != image_key(ramp)
    cached = Cached(Halves(), tmp_path)
    for _ in range(2):
        assert set(cached(flat[None]).flatten().tolist()) == set([0])
        assert set(cached(ramp[None]).flatten().tolist()) == set([0, 1])
    # a place in a data set whose image has changed in its lower bits alone
    for image, ids in ((flat, [0]), (ramp, [0, 1]), (ramp, [0, 1]), (flat, [0])):
        assert set(cached.of_index(image[None], "deep", torch.tensor([0])).flatten().tolist()) == set(ids)


@dataclass(frozen=True)
class Halves(Segmenter):
    """Pixels above the mean of their image, and the others."""

    def __call__(self, images: Tensor) -> Tensor:
        gray = images.mean(1)
        return (gray > gray.mean((1, 2), keepdim=True) + 1e-6).long()


def test_one_level_of_one_pixel_gives_another_key(images: Tensor) -> None:
    changed = images[0].clone()
    changed[1, 5, 5] = (changed[1, 5, 5] + 1 / 255) % 1
    assert image_key(changed) != image_key(images[0])


def test_wrong_images_have_no_key(images: Tensor) -> None:
    with pytest.raises(ValueError, match=r"RGB in \[0, 1\]"):
        image_key(images[0] * 3)
    with pytest.raises(TypeError, match="floating point"):
        image_key(torch.zeros(3, 2, 2, dtype=torch.int64))
    assert image_key(torch.zeros(3, 2, 2, dtype=torch.uint8)) == image_key(torch.zeros(3, 2, 2))


def test_writing_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(path, b"content")
    assert list(tmp_path.iterdir()) == [path]
